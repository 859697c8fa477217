// The best rows, chosen while their scores are in the cache; they need no heap. The largest score of every 32
// rows says where the best can be, and how high the k-th best is at least.

#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "arrays.hpp"

namespace core {

// Rows whose largest score is looked at first.
constexpr std::size_t CHUNK = 32;

// Chunks of so many rows, the last perhaps short.
constexpr std::size_t chunks_of(std::size_t rows) { return (rows + CHUNK - 1) / CHUNK; }

// The largest score of each chunk, NaN passed over.
template <class T> void find_maxima(std::span<const T> scores, std::span<double> maxima);

// The rows that may be among the k best groups above a threshold, in rising order. Rows of a group stand
// together; without groups each row is one. Room is made once: twice k and some, so that sifting is rare.
class Candidates {
  public:
    Candidates(std::int64_t k, std::size_t rows, std::span<const std::uint32_t> groups);

    // Forget all candidates; what scores no more than the floor is none.
    void start(double floor);

    // What a row must score more than to be a candidate.
    double threshold() const { return threshold_; }

    // A row beyond all candidates, which scores more than the threshold.
    void add(double score, std::int64_t row) {
        if (n_ == room_) {
            tighten();
            if (!(score > threshold_))
                return;
        }
        sifted_ = false;
        scores_[n_] = score;
        rows_[n_++] = row;
    }

    // Sift, and raise the threshold to the k-th best if there are k.
    void tighten();

    // Add what may be among the k best of at most a block's scores, from `first_row` on, whose chunks have
    // these maxima. `live` marks, as long as the scores, the rows that may be found; empty: all.
    template <class T>
    void choose(std::span<const T> scores, std::span<const double> maxima, std::int64_t first_row,
                std::span<const bool> live);

    // Keep each group's best row and of the groups the k best, the first among equals.
    void sift();

    std::span<double> scores() { return {scores_.data.get(), n_}; }
    std::span<std::int64_t> rows() { return {rows_.data.get(), n_}; }

  private:
    void raise(std::span<const double> maxima, std::int64_t first_row, std::size_t rows);

    std::size_t k_, room_, n_ = 0;
    std::span<const std::uint32_t> groups_;
    double threshold_ = 0;
    bool sifted_ = true;           // since a candidate was added last
    Owned<double> scores_, spare_; // `spare_` is put out of order to find a k-th best
    Owned<std::int64_t> rows_;
};

// The k-th largest of some numbers without NaN, 1 ≤ k ≤ how many; they are put out of order.
double kth_largest(std::span<double> numbers, std::size_t k);

} // namespace core
