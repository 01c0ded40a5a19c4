/* Reads log files in rotation order and prints: whole lines seen, lines missing, pieces of torn lines, lines out of
 * order. A line counts only if it lies whole in one file. argv: LINES FILE... */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE = 100, DIGITS = 12 };

static long number_of(const char *line, long length) {
    long value = 0;
    if (length != LINE || line[DIGITS] != ' ') return -1;
    for (int at = 0; at < DIGITS; at++) {
        if (line[at] < '0' || line[at] > '9') return -1;
        value = value * 10 + (line[at] - '0');
    }
    return value;
}

int main(int argc, char **argv) {
    long expected = argc > 1 ? atol(argv[1]) : 0, whole = 0, torn = 0, disorder = 0, last = -1, distinct = 0;
    char *seen = calloc((size_t)expected + 1, 1);
    if (!seen) return 2;
    for (int arg = 2; arg < argc; arg++) {
        struct stat size;
        int fd = open(argv[arg], O_RDONLY);
        if (fd < 0 || fstat(fd, &size) < 0) return 2;
        if (size.st_size == 0) { close(fd); continue; }
        const char *text = mmap(NULL, (size_t)size.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (text == MAP_FAILED) return 2;
        for (const char *at = text, *end = text + size.st_size; at < end;) {
            const char *newline = memchr(at, '\n', (size_t)(end - at));
            long value = newline ? number_of(at, newline - at + 1) : -1;
            if (value < 0 || value >= expected) torn++;
            else {
                whole++;
                if (!seen[value]) distinct++;
                seen[value] = 1;
                if (value < last) disorder++;
                last = value;
            }
            at = newline ? newline + 1 : end;
        }
        munmap((void *)text, (size_t)size.st_size);
        close(fd);
    }
    printf("%ld %ld %ld %ld\n", whole, expected - distinct, torn, disorder);
    return 0;
}
