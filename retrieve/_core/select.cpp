// TODO

#include "arrays.hpp"
#include "module.hpp"

namespace core {

void bind_select(nb::module_ &) {}

} // namespace core
