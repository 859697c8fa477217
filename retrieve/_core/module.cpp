// One module of everything, compiled for one instruction set; each subject has a file that names its kernels.

#include <nanobind/nanobind.h>

#include "module.hpp"

NB_MODULE(CORE_MODULE, m) {
    core::bind_strings(m);
    core::bind_words(m);
    core::bind_boundaries(m);
    core::bind_select(m);
    core::bind_postings(m);
    core::bind_scoring(m);
    core::bind_rankings(m);
    core::bind_planes(m);
    core::bind_codes(m);
    core::bind_signs(m);
    core::bind_dot(m);
    core::bind_winners(m);
}
