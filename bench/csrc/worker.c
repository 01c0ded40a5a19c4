/* A worker that costs nothing: it stamps its start into its slot of a shared file, then sleeps until SIGTERM.
 * argv: FILE SLOT */
#include "slot.h"

int main(int argc, char **argv) {
    struct slot *slot = take_slot(argc, argv);
    wait_for_term(slot);
    return 0;
}
