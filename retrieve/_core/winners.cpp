// TODO

#include "arrays.hpp"
#include "module.hpp"

namespace core {

void bind_winners(nb::module_ &) {}

} // namespace core
