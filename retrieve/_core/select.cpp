// The best rows of an array of scores, and what other searches share of how they are chosen.

#include "select.hpp"

#include <cstring>

#include "blocks.hpp"
#include "module.hpp"

namespace core {
namespace {

constexpr double LEAST = -std::numeric_limits<double>::infinity();

// Candidates beyond 2k before they are sifted; more than a chunk.
constexpr std::size_t SPARE = 128;

// As many numbers as fit into 32 bytes.
template <class T> struct Vector {
    using type [[gnu::vector_size(32)]] = T;
    static constexpr std::size_t lanes = 32 / sizeof(T);
};

template <class T> T greater(T one, T other) { return one > other ? one : other; }

} // namespace

template <class T> void find_maxima(std::span<const T> scores, std::span<double> maxima) {
    using Several = typename Vector<T>::type;
    constexpr std::size_t lanes = Vector<T>::lanes;
    const std::size_t whole = scores.size() / CHUNK;
    for (std::size_t chunk = 0; chunk < whole; ++chunk) {
        Several most = Several{} - std::numeric_limits<T>::infinity(),
                also = most; // do not wait for one another
        for (std::size_t i = 0; i < CHUNK; i += 2 * lanes) {
            Several one, other;
            std::memcpy(&one, scores.data() + chunk * CHUNK + i, sizeof one);
            std::memcpy(&other, scores.data() + chunk * CHUNK + i + lanes, sizeof other);
            most = one > most ? one : most; // NaN is not greater
            also = other > also ? other : also;
        }
        most = also > most ? also : most;
        T largest = most[0];
        for (std::size_t lane = 1; lane < lanes; ++lane)
            largest = greater(most[lane], largest);
        maxima[chunk] = double(largest);
    }
    if (whole * CHUNK < scores.size()) {
        T largest = -std::numeric_limits<T>::infinity();
        for (const T score : scores.subspan(whole * CHUNK))
            largest = greater(score, largest);
        maxima[whole] = double(largest);
    }
}

template void find_maxima(std::span<const float>, std::span<double>);
template void find_maxima(std::span<const double>, std::span<double>);

// Each round counts what is above a pivot and keeps the side that the k-th is on, both without a branch on a
// number.
double kth_largest(std::span<double> numbers, std::size_t k) {
    double *all = numbers.data();
    std::size_t n = numbers.size();
    for (int round = 0; n > 8 && round < 40;
         ++round) { // an order that makes every pivot a bad one ends below
        const double a = all[n / 4], b = all[n / 2], c = all[n - 1 - n / 4];
        const double pivot = std::max(std::min(a, b), std::min(std::max(a, b), c));
        std::size_t above = 0, equal = 0, kept = 0;
        for (std::size_t i = 0; i < n; ++i) {
            above += all[i] > pivot;
            equal += all[i] == pivot;
        }
        if (k <= above) {
            for (std::size_t i = 0; i < n; ++i) {
                const double number = all[i];
                all[kept] = number;
                kept += number > pivot;
            }
        } else if (k <= above + equal) {
            return pivot;
        } else {
            k -= above + equal;
            for (std::size_t i = 0; i < n; ++i) {
                const double number = all[i];
                all[kept] = number;
                kept += number < pivot;
            }
        }
        n = kept;
    }
    std::nth_element(all, all + (n - k), all + n);
    return all[n - k];
}

Candidates::Candidates(std::int64_t k, std::size_t rows, std::span<const std::uint32_t> groups)
    : k_(std::min(std::size_t(k), rows)), room_(2 * k_ + SPARE), groups_(groups), scores_(room_),
      spare_(room_ + chunks_of(std::min(rows, std::size_t(BLOCK)))), rows_(room_) {}

void Candidates::start(double floor) {
    n_ = 0;
    threshold_ = floor;
    sifted_ = true;
}

void Candidates::sift() {
    if (sifted_)
        return;
    sifted_ = true;
    std::size_t kept = n_;
    if (!groups_.empty()) { // each group's best row
        kept = 0;
        for (std::size_t i = 0; i < n_; ++i) {
            if (kept == 0 || groups_[rows_[kept - 1]] != groups_[rows_[i]])
                ++kept;
            else if (!(scores_[i] > scores_[kept - 1]))
                continue;
            scores_[kept - 1] = scores_[i];
            rows_[kept - 1] = rows_[i];
        }
    }
    n_ = kept;
    if (kept <= k_)
        return;
    std::copy_n(scores_.begin(), kept, spare_.begin());
    const double last = kth_largest({spare_.begin(), kept}, k_);
    std::size_t equal = k_; // of those that equal the last, the first are kept
    for (std::size_t i = 0; i < kept; ++i)
        equal -= scores_[i] > last;
    n_ = 0;
    for (std::size_t i = 0; i < kept; ++i) {
        const bool tied = scores_[i] == last && equal > 0;
        equal -= tied;
        scores_[n_] = scores_[i];
        rows_[n_] = rows_[i];
        n_ += tied || scores_[i] > last;
    }
}

void Candidates::tighten() {
    if (sifted_)
        return;
    sift();
    if (n_ == k_ && n_ > 0)
        threshold_ = std::max(threshold_, *std::min_element(scores_.begin(), scores_.begin() + n_));
}

// To just below the k-th best of the kept groups and of chunks that share no group: each of those stands for
// a group of its own, so there are k groups with at least that score.
void Candidates::raise(std::span<const double> maxima, std::int64_t first_row, std::size_t rows) {
    std::copy_n(scores_.begin(), n_, spare_.begin());
    std::size_t n = n_;
    if (groups_.empty()) {
        std::copy(maxima.begin(), maxima.end(), spare_.begin() + n);
        n += maxima.size();
    } else {
        std::int64_t seen = first_row > 0 ? std::int64_t(groups_[first_row - 1]) : -1;
        for (std::size_t chunk = 0; chunk < maxima.size(); ++chunk) {
            const std::size_t start = chunk * CHUNK, end = std::min(start + CHUNK, rows);
            if (std::int64_t(groups_[first_row + start]) == seen)
                continue;
            seen = std::int64_t(groups_[first_row + end - 1]);
            spare_[n++] = maxima[chunk];
        }
    }
    if (n >= k_)
        threshold_ = std::max(threshold_, std::nextafter(kth_largest({spare_.begin(), n}, k_), LEAST));
}

template <class T>
void Candidates::choose(std::span<const T> scores, std::span<const double> maxima, std::int64_t first_row,
                        std::span<const bool> live) {
    tighten();
    if (n_ < k_ && live.empty())
        raise(maxima, first_row, scores.size());
    for (std::size_t chunk = 0; chunk < maxima.size(); ++chunk) {
        if (!(maxima[chunk] > threshold_))
            continue;
        if (n_ + CHUNK > room_)
            tighten();
        const std::size_t end = std::min((chunk + 1) * CHUNK, scores.size());
        sifted_ = false;
        for (std::size_t i = chunk * CHUNK; i < end; ++i) {
            if (double(scores[i]) > threshold_ && (live.empty() || live[i])) {
                scores_[n_] = double(scores[i]);
                rows_[n_++] = first_row + std::int64_t(i);
            }
        }
    }
}

template void Candidates::choose(std::span<const float>, std::span<const double>, std::int64_t,
                                 std::span<const bool>);
template void Candidates::choose(std::span<const double>, std::span<const double>, std::int64_t,
                                 std::span<const bool>);

namespace {

// Scores and rows of the k best groups above the floor, rows rising.
template <class T>
std::pair<Owned<double>, Owned<std::int64_t>> best_groups(std::span<const T> scores, std::int64_t k,
                                                          std::span<const std::uint32_t> groups,
                                                          std::span<const bool> live, double floor) {
    Candidates best(k, scores.size(), groups);
    best.start(floor);
    double maxima[chunks_of(BLOCK)];
    for (std::size_t start = 0; start < scores.size(); start += BLOCK) {
        const auto part = scores.subspan(start, std::min(std::size_t(BLOCK), scores.size() - start));
        const std::span<double> largest_there{maxima, chunks_of(part.size())};
        find_maxima(part, largest_there);
        best.choose<T>(part, largest_there, std::int64_t(start),
                       live.empty() ? live : live.subspan(start, part.size()));
    }
    best.sift();
    Owned<double> found(best.scores().size());
    Owned<std::int64_t> rows(best.rows().size());
    std::copy(best.scores().begin(), best.scores().end(), found.begin());
    std::copy(best.rows().begin(), best.rows().end(), rows.begin());
    return {std::move(found), std::move(rows)};
}

} // namespace

void bind_select(nb::module_ &m) {
    m.def("best_groups", &best_groups<double>, no_gil());
    m.def("best_groups", &best_groups<float>, no_gil());
}

} // namespace core
