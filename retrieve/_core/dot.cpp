// Scores of queries and rows of vectors: tiles of rows that all queries pass over, and chosen rows.

#include <algorithm>

#include "arrays.hpp"
#include "dot.hpp"
#include "module.hpp"

namespace core {
namespace {

// Rows and queries that are multiplied together where there are as many: their sums fill the registers.
constexpr int ROWS = 2, QUERIES = 3;

// scores[query, row] for rows [first, end); all queries pass over `tile` rows before the next are read.
template <class T>
void dot_tiles(Matrix<const T> vectors, std::span<const float> scales, Matrix<const float> queries,
               std::size_t first, std::size_t end, std::size_t tile, Matrix<float> scores) {
    const auto score = [&]<int R, int Q, int B>(std::size_t row, std::size_t query) {
        const T *rows[R];
        float products[R * Q];
        for (int r = 0; r < R; ++r)
            rows[r] = vectors[row + r];
        multiply<R, Q, B>(rows, queries[query], vectors.columns, products);
        for (int r = 0; r < R; ++r)
            for (int q = 0; q < Q; ++q)
                scores[query + q][row + r] = products[r * Q + q] * (scales.empty() ? 1.0f : scales[row + r]);
    };
    for (std::size_t start = first; start < end; start += tile) {
        const std::size_t stop = std::min(start + tile, end);
        std::size_t query = 0;
        for (; query + QUERIES <= queries.rows; query += QUERIES) {
            std::size_t row = start;
            for (; row + ROWS <= stop; row += ROWS)
                score.template operator()<ROWS, QUERIES, 2>(row, query);
            for (; row < stop; ++row)
                score.template operator()<1, QUERIES, 2>(row, query);
        }
        for (; query < queries.rows; ++query)
            for (std::size_t row = start; row < stop; ++row)
                score.template operator()<1, 1, REGISTERS>(row, query);
    }
}

// scores[i] of the first query and vectors[rows[i]].
template <class T>
void dot_rows(Matrix<const T> vectors, std::span<const float> scales, Matrix<const float> queries,
              std::span<const std::int64_t> rows, std::span<float> scores) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::size_t row = std::size_t(rows[i]);
        const float product = inner_product(vectors[row], queries[0], vectors.columns);
        scores[i] = product * (scales.empty() ? 1.0f : scales[row]);
    }
}

template <class T> void bind_type(nb::module_ &m) {
    m.def("dot_tiles", &dot_tiles<T>, no_gil());
    m.def("dot_rows", &dot_rows<T>, no_gil());
}

} // namespace

void bind_dot(nb::module_ &m) {
    bind_type<float>(m);
    bind_type<std::uint16_t>(m);
    bind_type<std::int8_t>(m);
}

} // namespace core
