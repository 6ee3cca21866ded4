// casc-demo: what ./dev demo shows. Exit code 0 when every check of its summary holds, 1 otherwise.

#include "scenario.hpp"
#include "screen.hpp"

#include <casc/types/clock.hpp>

#include <cstdio>
#include <exception>

// casc-demo [MODELS]: the folder of models; ./dev demo names the repository's.
int main(int argc, char** argv) {
    using namespace casc;
    const MonoNanos start = mono_now();
    demo::Screen screen;
    try {
        demo::play(screen, argc > 1 ? argv[1] : "");
    } catch (const std::exception& e) {
        screen.check("the demo ran to its end", e.what());
    }
    const bool passed = screen.all_passed();
    screen.heading(passed ? "everything held, after " +
                                demo::duration_text((mono_now() - start).value())
                          : "something did not hold: see the lines marked with a cross");
    return passed ? 0 : 1;
}
