// TODO

#include "arrays.hpp"
#include "module.hpp"

namespace core {

void bind_rankings(nb::module_ &) {}

} // namespace core
