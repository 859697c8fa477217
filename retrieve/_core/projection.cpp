// Tokens projected to very many dimensions, of which the largest few win: every winner, and no array of all dimensions.
//
// Token and row are rounded to whole numbers, x̂ and ŵ, whose product costs a quarter of the floats'. How far it is from
// the inner product is bounded (Cauchy and Schwarz): |x·w − x̂·ŵ| ≤ |x − x̂| |w| + |x̂| |w − ŵ|. A dimension can win only
// if its upper bound reaches the lower bounds of as many as win. Those few are multiplied in floats, in the order of
// additions of `dot.hpp`, and decide; so the winners are those of the floats, whatever the form of the core.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "arrays.hpp"
#include "best.hpp"
#include "dot.hpp"
#include "module.hpp"
#include "projection.hpp"

namespace core {
namespace {

constexpr std::size_t MOST_HIDDEN = 1 << 14; // whose products of whole numbers fit 32 bits
constexpr std::size_t BLOCK = 256;           // tokens that pass over the projection together: it is read once for them

// Numbers outside of these are not rounded to steps: their squares or steps might leave float32.
constexpr float SMALLEST = 0x1p-60f, LARGEST = 0x1p60f;

constexpr std::size_t AHEAD = 3; // candidates whose rows are fetched before they are multiplied

constexpr double UPWARDS = 1 + 0x1p-20; // more than float32 takes off by rounding
constexpr float INFINITE = std::numeric_limits<float>::infinity();

// Rows side by side: what their sums begin with, the size of a step, |w| and |w − ŵ|; then their numbers.
struct Panel {
    std::int32_t starts[ROWS_AT_ONCE];
    float scales[ROWS_AT_ONCE], norms[ROWS_AT_ONCE], errors[ROWS_AT_ONCE];

    Weight *weights() { return reinterpret_cast<Weight *>(this + 1); }
    const Weight *weights() const { return reinterpret_cast<const Weight *>(this + 1); }
};

// How a projection of n rows in equal segments is packed: the panels of each segment, the last filled up with zeros.
struct Layout {
    std::size_t hidden, columns, width, panels, bytes_of_panel;

    Layout(std::size_t rows, std::size_t hidden, std::size_t segments)
        : hidden(hidden), columns(padded(hidden)), width(rows / segments),
          panels((width + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE),
          bytes_of_panel(sizeof(Panel) + ROWS_AT_ONCE * columns * sizeof(Weight)) {}

    template <class Byte> auto panel(Byte *packed, std::size_t segment, std::size_t number) const {
        using Found = std::conditional_t<std::is_const_v<Byte>, const Panel, Panel>;
        return reinterpret_cast<Found *>(packed + (segment * panels + number) * bytes_of_panel);
    }
};

std::size_t packed_size(std::size_t rows, std::size_t hidden, std::size_t segments) {
    if (hidden > MOST_HIDDEN)
        throw std::invalid_argument("a projection of vectors of more than 16,384 dimensions");
    const Layout layout(rows, hidden, segments);
    return segments * layout.panels * layout.bytes_of_panel;
}

// Steps of a row's numbers, and their size. Whole numbers are steps of 1.
float steps_of(const std::int8_t *row, std::span<int> steps) {
    std::copy_n(row, steps.size(), steps.begin());
    return 1;
}

float steps_of(const float *row, std::span<int> steps) {
    float largest = 0;
    bool finite = true;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        largest = std::max(largest, std::abs(row[i]));
        finite = finite && std::isfinite(row[i]);
    }
    std::fill(steps.begin(), steps.end(), 0);
    if (!finite || largest < SMALLEST || largest > LARGEST)
        return 0;
    const float scale = largest / 127;
    for (std::size_t i = 0; i < steps.size(); ++i)
        steps[i] = std::clamp(int(std::lrint(row[i] / scale)), -127, 127);
    return scale;
}

// Take from the largest steps of a sign until a group's pairs fit 16 bits.
void fit_groups(std::span<int> steps) {
    for (std::size_t first = 0; first < steps.size(); first += GROUP * QUAD)
        for (std::size_t pair = 0; pair < QUAD; pair += 2)
            for (const int sign : {1, -1}) {
                int *largest;
                do {
                    int sum = 0;
                    largest = nullptr;
                    for (std::size_t i = first + pair; i < std::min(first + GROUP * QUAD, steps.size()); ++i) {
                        if ((i - first) % QUAD >= pair + 2 || (i - first) % QUAD < pair || sign * steps[i] <= 0)
                            continue;
                        sum += sign * steps[i];
                        if (largest == nullptr || sign * steps[i] > sign * *largest)
                            largest = &steps[i];
                    }
                    if (sum <= most_in_group())
                        break;
                    *largest -= sign * std::min(sum - most_in_group(), sign * *largest);
                } while (true);
            }
}

// |w| and |w − ŵ|, of which the first may be more and the second never less.
template <class T> std::pair<float, float> sizes(const T *row, std::span<const int> steps, float scale) {
    double size = 0, error = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const double number = row[i], off = number - double(scale) * steps[i];
        size += number * number;
        error += off * off;
    }
    if (!(size < double(LARGEST) * LARGEST))
        return {INFINITE, INFINITE};
    return {float(std::sqrt(size) * UPWARDS), float(std::sqrt(error) * UPWARDS)};
}

template <class T>
void pack_projection(Matrix<const T> weight, std::size_t segments, std::span<std::uint8_t> packed) {
    const Layout layout(weight.rows, weight.columns, segments);
    std::fill(packed.begin(), packed.end(), 0);
    std::vector<int> steps(layout.hidden);
    for (std::size_t segment = 0; segment < segments; ++segment)
        for (std::size_t row = 0; row < layout.width; ++row) {
            const T *const numbers = weight[segment * layout.width + row];
            Panel &panel = *layout.panel(packed.data(), segment, row / ROWS_AT_ONCE);
            const std::size_t at = row % ROWS_AT_ONCE;
            panel.scales[at] = steps_of(numbers, steps);
            fit_groups(steps);
            std::tie(panel.norms[at], panel.errors[at]) = sizes(numbers, std::span<const int>(steps), panel.scales[at]);
            int sum = 0;
            for (std::size_t i = 0; i < layout.hidden; ++i) {
                panel.weights()[place(at, i, layout.columns)] = Weight(steps[i]);
                sum += steps[i];
            }
            panel.starts[at] = -zero() * sum;
        }
}

// A dimension that may win, and the most that its product can be.
struct Candidate {
    std::uint32_t dimension;
    float upper;
};

// One token on its way over a segment's rows: the lower bounds that are largest so far, and who may win beside them.
struct Race {
    float of_norms, of_errors; // what |w| is times in the bound of the error, in steps, and |w − ŵ|
    std::vector<float> lowest;        // a heap, its least first
    std::vector<Candidate> candidates;

    void begin(std::size_t winners) {
        lowest.clear();
        lowest.reserve(winners);
        candidates.clear();
        candidates.reserve(16 * winners); // usual, of many thousand dimensions
    }

    float bound(std::size_t winners) const { return lowest.size() < winners ? -INFINITE : lowest.front(); }

    void add(std::uint32_t dimension, float upper, float lower, std::size_t winners) {
        candidates.push_back({dimension, upper});
        if (!(lower > bound(winners)))
            return;
        if (lowest.size() == winners) {
            std::pop_heap(lowest.begin(), lowest.end(), std::greater<>());
            lowest.back() = lower;
        } else {
            lowest.push_back(lower);
        }
        std::push_heap(lowest.begin(), lowest.end(), std::greater<>());
    }
};

// A token's steps, and what of its race depends on it alone. One that cannot be rounded leaves every bound open.
void begin_race(const float *token, std::size_t hidden, Step *steps, Race &race) {
    float largest = 0;
    bool finite = true;
    for (std::size_t i = 0; i < hidden; ++i) {
        largest = std::max(largest, std::abs(token[i]));
        finite = finite && std::isfinite(token[i]);
    }
    if (!finite || largest < SMALLEST || largest > LARGEST) {
        std::fill_n(steps, hidden, Step(zero()));
        race.of_errors = 0;
        race.of_norms = INFINITE;
        return;
    }
    const double scale = largest / double(most());
    const float steps_in_one = float(1 / scale);
    double size = 0, error = 0;
    for (std::size_t i = 0; i < hidden; ++i) {
        const int step = std::clamp(int(std::lrintf(token[i] * steps_in_one)), -most(), most());
        const double rounded = scale * step, off = token[i] - rounded;
        size += rounded * rounded;
        error += off * off;
        steps[i] = Step(step + zero());
    }
    // Lanes of the float product add so many numbers one after the other, each rounded, and some more at their end.
    const double rounding = (double(hidden) / LANES + 2 * LANES) * 0x1p-24;
    size = std::sqrt(size), error = std::sqrt(error);
    race.of_norms = float((error + rounding * (size + error)) / scale * UPWARDS);
    race.of_errors = float(size / scale * UPWARDS);
}

// A token's sums over a panel whose first row is the dimension `first` of `width`. All is counted in its steps.
void take_candidates(const Panel &panel, const std::int32_t *sums, std::size_t first, std::size_t width,
                     std::size_t winners, Race &race) {
    const float bound = race.bound(winners);
    std::uint64_t bits = 0;
#pragma GCC unroll 4
    for (std::size_t start = 0; start < ROWS_AT_ONCE; start += WIDTH) {
        const Floats errors = widen(panel.norms + start) * race.of_norms + widen(panel.errors + start) * race.of_errors;
        const Floats upper = to_floats(sums + start) * widen(panel.scales + start) + errors;
        bits |= std::uint64_t(not_below(upper, bound)) << start;
    }
    for (; bits != 0; bits &= bits - 1) {
        const std::size_t i = std::size_t(std::countr_zero(bits)), dimension = first + i;
        const float error = panel.norms[i] * race.of_norms + panel.errors[i] * race.of_errors;
        const float product = float(sums[i]) * panel.scales[i];
        if (dimension < width && !(product + error < race.bound(winners)))
            race.add(std::uint32_t(dimension), product + error, product - error, winners);
    }
}

template <class T> class Tokens {
  public:
    // For at most so many tokens at a time.
    Tokens(Matrix<const T> weight, std::span<const std::uint8_t> packed, std::size_t segments, std::size_t each,
           std::size_t most)
        : weight_(weight), packed_(packed), layout_(weight.rows, weight.columns, segments), segments_(segments),
          each_(each), best_(each), steps_(most * layout_.columns, Step(zero())), centred_(most * layout_.hidden), races_(most) {}

    // Winners of some tokens.
    void run(Matrix<const float> states, std::span<const float> mean, std::size_t first, std::size_t count,
             Matrix<std::uint32_t> dims, Matrix<float> values) {
        for (std::size_t token = 0; token < count; ++token) {
            float *const centred = &centred_[token * layout_.hidden];
            for (std::size_t i = 0; i < layout_.hidden; ++i)
                centred[i] = states[first + token][i] - mean[i];
            begin_race(centred, layout_.hidden, &steps_[token * layout_.columns], races_[token]);
        }
        for (std::size_t segment = 0; segment < segments_; ++segment) {
            for (std::size_t token = 0; token < count; ++token)
                races_[token].begin(each_);
            for (std::size_t number = 0; number < layout_.panels; ++number)
                pass(*layout_.panel(packed_.data(), segment, number), number * ROWS_AT_ONCE, count);
            for (std::size_t token = 0; token < count; ++token)
                decide(token, segment, dims[first + token] + segment * each_, values[first + token] + segment * each_);
        }
    }

  private:
    // All tokens over a panel, as many at a time as registers hold the sums of, or fewer: shares of about one size.
    void pass(const Panel &panel, std::size_t row, std::size_t count) {
        for (std::size_t token = 0, left = (count + TOKENS_AT_ONCE - 1) / TOKENS_AT_ONCE; left > 0; --left)
            token += pass_some<TOKENS_AT_ONCE>(panel, row, token, (count - token + left - 1) / left);
    }

    template <int M>
    std::size_t pass_some(const Panel &panel, std::size_t row, std::size_t token, std::size_t count) {
        if constexpr (M > 1)
            if (count < M)
                return pass_some<M - 1>(panel, row, token, count);
        std::int32_t sums[M][ROWS_AT_ONCE];
        sum_products<M>(&steps_[token * layout_.columns], layout_.columns, panel.weights(), panel.starts, sums);
        for (std::size_t m = 0; m < M; ++m)
            take_candidates(panel, sums[m], row, layout_.width, each_, races_[token + m]);
        return M;
    }

    // The winners among a token's candidates, the largest first. Values are NaN if one of the candidates' is not finite.
    void decide(std::size_t token, std::size_t segment, std::uint32_t *dims, float *values) {
        Race &race = races_[token];
        const float bound = race.bound(each_);
        std::erase_if(race.candidates, [bound](const Candidate &one) { return one.upper < bound; });
        const std::size_t first = segment * layout_.width, count = race.candidates.size();
        bool finite = true;
        best_.kept = 0;
        for (std::size_t i = 0; i < count; ++i) {
            fetch(first + race.candidates[std::min(i + AHEAD, count - 1)].dimension);
            const std::size_t dimension = first + race.candidates[i].dimension;
            const float value = inner_product(weight_[dimension], &centred_[token * layout_.hidden], layout_.hidden);
            finite = finite && std::isfinite(value);
            if (best_.takes(value))
                best_.insert(value, dimension);
        }
        for (std::size_t i = 0; i < each_; ++i) {
            dims[i] = std::uint32_t(best_.places[i]);
            values[i] = finite ? best_.values[i] : std::numeric_limits<float>::quiet_NaN();
        }
    }

    // Candidates lie anywhere in the matrix.
    void fetch(std::size_t dimension) const {
        const char *const row = reinterpret_cast<const char *>(weight_[dimension]);
        for (std::size_t byte = 0; byte < layout_.hidden * sizeof(T); byte += 64)
            __builtin_prefetch(row + byte);
    }

    Matrix<const T> weight_;
    std::span<const std::uint8_t> packed_;
    Layout layout_;
    std::size_t segments_, each_;
    Best best_;
    std::vector<Step> steps_;
    std::vector<float> centred_;
    std::vector<Race> races_;
};

template <class T>
void token_winners(Matrix<const T> weight, std::span<const std::uint8_t> packed, std::size_t segments,
                   std::size_t each, Matrix<const float> states, std::span<const float> mean,
                   Matrix<std::uint32_t> dims, Matrix<float> values) {
    Tokens<T> tokens(weight, packed, segments, each, std::min(BLOCK, states.rows));
    for (std::size_t first = 0; first < states.rows; first += BLOCK)
        tokens.run(states, mean, first, std::min(BLOCK, states.rows - first), dims, values);
}

template <class T> void bind_type(nb::module_ &m) {
    m.def("pack_projection", &pack_projection<T>, no_gil());
    m.def("token_winners", &token_winners<T>, no_gil());
}

} // namespace

void bind_projection(nb::module_ &m) {
    m.def("packed_size", &packed_size);
    bind_type<float>(m);
    bind_type<std::int8_t>(m);
}

} // namespace core
