/* What a worker writes about itself. The layout is read by bench/stamps.py: eight 64-bit words, one cache line. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct slot {
    uint64_t started, stopped, pid, count, go, begun, ended, spare;
};

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Maps the slot and stamps the start. `count` is written last: who sees it change sees the rest. */
static struct slot *take_slot(int argc, char **argv) {
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    if (argc < 3) exit(2);
    int fd = open(argv[1], O_RDWR | O_CLOEXEC);
    struct stat size;
    if (fd < 0 || fstat(fd, &size) < 0) exit(2);
    struct slot *slots = mmap(NULL, (size_t)size.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (slots == MAP_FAILED) exit(2);
    close(fd);
    struct slot *slot = slots + atoi(argv[2]);
    slot->pid = (uint64_t)getpid();
    slot->stopped = 0;
    slot->started = now();
    __atomic_store_n(&slot->count, slot->count + 1, __ATOMIC_RELEASE);
    return slot;
}

static void wait_for_term(struct slot *slot) {
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    while (sigwaitinfo(&term, NULL) < 0) {
    }
    __atomic_store_n(&slot->stopped, now(), __ATOMIC_RELEASE);
}
