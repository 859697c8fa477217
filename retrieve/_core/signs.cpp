// TODO

#include "arrays.hpp"
#include "module.hpp"

namespace core {

void bind_signs(nb::module_ &) {}

} // namespace core
