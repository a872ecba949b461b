// The floor: copies bytes between a client and an origin and parses nothing. What it costs is what the kernel
// takes for the four data system calls of a proxied request; no proxy on ordinary sockets can cost less.
//
//   floor PORT ORIGIN_PORT…
//
// One thread, level-triggered epoll, 64 KiB reads, 127.0.0.1 only. Client connections take the origins in turn.

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 65536, BUFFER = 65536, EVENTS = 256 };

// One of the two sockets of a pair.
struct end {
    int peer;            // The other socket; 0 when there is none.
    char *rest;          // Bytes for this socket that it would not take yet; the peer is not read meanwhile.
    size_t rest_length;
};

static struct end ends[MAX_FDS];
static int epoll_fd;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = loopback(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address)) die("bind");
    if (listen(fd, 4096)) die("listen");
    return fd;
}

static void watch(int fd, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, operation, fd, &event)) die("epoll_ctl");
}

static void pair_up(int client, int origin_port) {
    int origin = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = loopback(origin_port);
    if (client >= MAX_FDS || origin >= MAX_FDS || connect(origin, (struct sockaddr *)&address, sizeof address)) {
        perror("connect");
        close(client);
        close(origin);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(origin, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ends[client] = (struct end){.peer = origin};
    ends[origin] = (struct end){.peer = client};
    watch(client, EPOLL_CTL_ADD, EPOLLIN);
    watch(origin, EPOLL_CTL_ADD, EPOLLIN);
}

static void close_pair(int fd) {
    int both[] = {fd, ends[fd].peer};
    for (int i = 0; i < 2; i++) {
        free(ends[both[i]].rest);
        ends[both[i]] = (struct end){0};
        close(both[i]);
    }
}

// Writes to a socket; what it does not take waits, and neither socket of the pair is read until it has gone.
static int write_or_keep(int fd, const char *bytes, size_t length) {
    size_t done = 0;
    while (done < length) {
        ssize_t written = send(fd, bytes + done, length - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (written < 0 && errno != EAGAIN) return -1;
        if (written < 0) break;
        done += (size_t)written;
    }
    struct end *end = &ends[fd];
    int waited = end->rest != NULL;
    char *rest = NULL;
    if (done < length) {
        rest = malloc(length - done);
        if (!rest) die("malloc");
        memcpy(rest, bytes + done, length - done);
    }
    free(end->rest);
    end->rest = rest;
    end->rest_length = length - done;
    if (rest && !waited) {
        watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
        watch(end->peer, EPOLL_CTL_MOD, 0);
    } else if (!rest && waited) {
        watch(fd, EPOLL_CTL_MOD, EPOLLIN);
        watch(end->peer, EPOLL_CTL_MOD, EPOLLIN);
    }
    return 0;
}

static void serve(int fd, uint32_t events) {
    static char buffer[BUFFER];
    struct end *end = &ends[fd];
    if (!end->peer) return;   // Closed by an earlier event of the same turn.
    if (end->rest) {
        if (events & ~(uint32_t)EPOLLOUT || write_or_keep(fd, end->rest, end->rest_length)) close_pair(fd);
        return;
    }
    if (ends[end->peer].rest) {   // Not watched for reading, so it has hung up.
        close_pair(fd);
        return;
    }
    ssize_t length = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0 || write_or_keep(end->peer, buffer, (size_t)length)) close_pair(fd);
}

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: floor PORT ORIGIN_PORT...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_on(atoi(arguments[1])), turn = 0;
    epoll_fd = epoll_create1(0);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listener) {
                serve(events[i].data.fd, events[i].events);
                continue;
            }
            int client = accept4(listener, NULL, NULL, 0);
            if (client >= 0) pair_up(client, atoi(arguments[2 + turn++ % (count - 2)]));
        }
    }
}
