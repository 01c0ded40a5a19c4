/* The floor: the least a supervisor can do. It spawns N workers, starts again what dies, copies what they print into
 * files that rotate at the end of a line, and stops all of them on SIGTERM. No state, no API, no policy.
 * argv: FOLDER MAX_BYTES BACKUPS N PROGRAM STAMPS [ARGUMENT]; worker i runs PROGRAM STAMPS i [ARGUMENT] */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker { pid_t pid; int in, out, file; long size; };

static struct worker *workers;
static char **args, buffer[1 << 20];
static sigset_t signals;

static void spawn(int i) {
    char index[16];
    snprintf(index, sizeof index, "%d", i);
    char *argv[] = {args[5], args[6], index, args[7], NULL};
    pid_t pid = vfork();
    if (pid == 0) {
        sigprocmask(SIG_UNBLOCK, &signals, NULL);
        dup2(workers[i].out, 1);
        dup2(workers[i].out, 2);
        execv(args[5], argv);
        _exit(127);
    }
    workers[i].pid = pid;
}

static void open_log(int i, int rotate) {
    char name[4096], older[4096];
    for (int k = atoi(args[3]); rotate && k > 0; k--) {
        snprintf(older, sizeof older, "%s/w%d.log.%d", args[1], i, k);
        snprintf(name, sizeof name, k > 1 ? "%s/w%d.log.%d" : "%s/w%d.log", args[1], i, k - 1);
        rename(name, older);
    }
    if (rotate) close(workers[i].file);
    snprintf(name, sizeof name, "%s/w%d.log", args[1], i);
    workers[i].file = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    workers[i].size = 0;
}

static void put(int i, const char *from, ssize_t size) {
    if (size > 0 && write(workers[i].file, from, (size_t)size) != size) exit(3);
    workers[i].size += size;
}

static void copy(int i) {
    ssize_t got = read(workers[i].in, buffer, sizeof buffer), head = 0;
    if (got <= 0) return;
    if (workers[i].size + got > atol(args[2])) {
        char *newline = memrchr(buffer, '\n', (size_t)got);
        if (newline) {
            put(i, buffer, head = newline + 1 - buffer);
            open_log(i, 1);
        }
    }
    put(i, buffer + head, got - head);
}

int main(int argc, char **argv) {
    int n = argc > 6 ? atoi(argv[4]) : 0, left = n, stopping = 0, poll = epoll_create1(EPOLL_CLOEXEC);
    args = argv;
    workers = calloc((size_t)n + 1, sizeof *workers);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int told = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)n}, events[64];
    epoll_ctl(poll, EPOLL_CTL_ADD, told, &event);
    for (int i = 0; i < n; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0) return 2;
        workers[i].in = ends[0];
        workers[i].out = ends[1];
        if (n <= 16) fcntl(ends[0], F_SETPIPE_SZ, sizeof buffer);
        open_log(i, 0);
        event.data.u32 = (unsigned)i;
        epoll_ctl(poll, EPOLL_CTL_ADD, ends[0], &event);
        spawn(i);
    }
    while (left > 0) {
        int ready = epoll_wait(poll, events, 64, -1);
        for (int k = 0; k < ready; k++) {
            struct signalfd_siginfo signal;
            if (events[k].data.u32 != (unsigned)n) { copy((int)events[k].data.u32); continue; }
            while (read(told, &signal, sizeof signal) == sizeof signal) {
                if (signal.ssi_signo != SIGTERM || stopping) continue;
                stopping = 1;
                for (int i = 0; i < n; i++) kill(workers[i].pid, SIGTERM);
            }
            for (pid_t gone; (gone = waitpid(-1, NULL, WNOHANG)) > 0;) {
                for (int i = 0; i < n; i++) {
                    if (workers[i].pid != gone) continue;
                    if (stopping) left--; else spawn(i);
                    break;
                }
            }
        }
    }
    return 0;
}
