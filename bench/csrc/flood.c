/* A worker that floods its standard output: waits for `go` in its slot, writes BLOCKS blocks of 16,384 numbered lines
 * of 100 bytes in writes of 64 KiB (a block is 25 of them, so lines do cross the borders of writes), then sleeps.
 * argv: FILE SLOT BLOCKS */
#include "slot.h"

enum { LINE = 100, DIGITS = 12, CHUNK = 65536, CHUNKS = 25, LINES = CHUNK * CHUNKS / LINE };

static char block[CHUNK * CHUNKS];
static char number[DIGITS];

static void count_up(void) {
    int at = DIGITS - 1;
    while (number[at] == '9') number[at--] = '0';
    number[at]++;
}

int main(int argc, char **argv) {
    struct slot *slot = take_slot(argc, argv);
    long blocks = argc > 3 ? atol(argv[3]) : 0;
    memset(number, '0', DIGITS);
    memset(block, 'x', sizeof block);
    for (char *line = block; line < block + sizeof block; line += LINE) {
        line[DIGITS] = ' ';
        line[LINE - 1] = '\n';
    }
    const struct timespec tick = {0, 1000000};
    while (!__atomic_load_n(&slot->go, __ATOMIC_ACQUIRE)) nanosleep(&tick, NULL);
    slot->begun = now();
    while (blocks-- > 0) {
        for (int line = 0; line < LINES; line++, count_up()) memcpy(block + line * LINE, number, DIGITS);
        for (char *from = block; from < block + sizeof block;) {
            size_t left = (size_t)(block + sizeof block - from);
            ssize_t wrote = write(1, from, left < CHUNK ? left : CHUNK);
            if (wrote < 0 && errno != EINTR) return 3;
            if (wrote > 0) from += wrote;
        }
    }
    __atomic_store_n(&slot->ended, now(), __ATOMIC_RELEASE);
    wait_for_term(slot);
    return 0;
}
