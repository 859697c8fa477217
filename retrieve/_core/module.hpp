// What each subject adds to the module.

#pragma once

#include <nanobind/nanobind.h>

namespace core {

void bind_strings(nanobind::module_ &m);
void bind_words(nanobind::module_ &m);
void bind_boundaries(nanobind::module_ &m);
void bind_select(nanobind::module_ &m);
void bind_postings(nanobind::module_ &m);
void bind_scoring(nanobind::module_ &m);
void bind_rankings(nanobind::module_ &m);
void bind_planes(nanobind::module_ &m);
void bind_codes(nanobind::module_ &m);
void bind_signs(nanobind::module_ &m);
void bind_dot(nanobind::module_ &m);
void bind_winners(nanobind::module_ &m);
void bind_projection(nanobind::module_ &m);

} // namespace core
