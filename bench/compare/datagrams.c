// Datagrams: an origin that echoes them, load that waits for each, and the floor between the two, which keeps a socket a client and
// copies: what the kernel takes for the four system calls of a datagram that is passed on and its answer.
//
//   datagrams origin PORT
//   datagrams floor PORT ORIGIN_PORT…
//   datagrams load PORT SOCKETS SECONDS      prints how many answers came
//
// One thread, 127.0.0.1 only.

#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORTS = 65536, EVENTS = 256, LENGTH = 100, WAIT_MS = 200 };

static char buffer[65536];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int open_socket(int flags) {
    int fd = socket(AF_INET, SOCK_DGRAM | flags, 0);
    if (fd < 0) die("socket");
    return fd;
}

static int bound(int port, int flags) {
    int fd = open_socket(flags);
    struct sockaddr_in address = loopback(port);
    if (bind(fd, (struct sockaddr *)&address, sizeof address)) die("bind");
    return fd;
}

static int connected(int port) {
    int fd = open_socket(SOCK_NONBLOCK);
    struct sockaddr_in address = loopback(port);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    return fd;
}

static void watch(int epoll_fd, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static void origin(int port) {
    int fd = bound(port, 0);
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t length = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size);
        if (length >= 0) sendto(fd, buffer, (size_t)length, 0, (struct sockaddr *)&from, size);
    }
}

static void copy(int port, char **origins, int count) {
    static int upstream[PORTS], client[PORTS];  // By the client's port, and by the socket.
    int fd = bound(port, SOCK_NONBLOCK), epoll_fd = epoll_create1(0), next = 0;
    struct epoll_event events[EVENTS];
    watch(epoll_fd, fd);
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int from = events[i].data.fd;
            struct sockaddr_in address = loopback(0);
            socklen_t size = sizeof address;
            if (from != fd) {
                ssize_t length = recv(from, buffer, sizeof buffer, 0);
                address.sin_port = (in_port_t)client[from];
                if (length >= 0) sendto(fd, buffer, (size_t)length, 0, (struct sockaddr *)&address, size);
                continue;
            }
            ssize_t length = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&address, &size);
            if (length < 0) continue;
            int *to = &upstream[address.sin_port];
            if (!*to) {
                *to = connected(atoi(origins[next++ % count]));
                if (*to >= PORTS) die("too many clients");
                client[*to] = address.sin_port;
                watch(epoll_fd, *to);
            }
            send(*to, buffer, (size_t)length, 0);
        }
    }
}

static void load(int port, int count, int seconds) {
    int *sockets = calloc((size_t)count, sizeof *sockets), epoll_fd = epoll_create1(0);
    struct epoll_event events[EVENTS];
    struct timespec now, end;
    long answers = 0;
    memset(buffer, 'x', LENGTH);
    for (int i = 0; i < count; i++) {
        watch(epoll_fd, sockets[i] = connected(port));
        send(sockets[i], buffer, LENGTH, 0);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    do {
        int ready = epoll_wait(epoll_fd, events, EVENTS, WAIT_MS);
        for (int i = 0; i < ready; i++) {
            ssize_t length = recv(events[i].data.fd, buffer, sizeof buffer, 0);
            answers += length == LENGTH;
            send(events[i].data.fd, buffer, LENGTH, 0);
        }
        // All were lost.
        for (int i = 0; ready == 0 && i < count; i++) send(sockets[i], buffer, LENGTH, 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    printf("%ld\n", answers);
}

int main(int count, char **arguments) {
    if (count == 3 && !strcmp(arguments[1], "origin")) {
        origin(atoi(arguments[2]));
    } else if (count >= 4 && !strcmp(arguments[1], "floor")) {
        copy(atoi(arguments[2]), arguments + 3, count - 3);
    } else if (count == 5 && !strcmp(arguments[1], "load")) {
        load(atoi(arguments[2]), atoi(arguments[3]), atoi(arguments[4]));
    } else {
        fprintf(stderr, "datagrams origin PORT | floor PORT ORIGIN_PORT... | load PORT SOCKETS SECONDS\n");
        return 2;
    }
    return 0;
}
