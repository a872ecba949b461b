// An origin that costs as little as one can: it answers every request head with the same prepared answer.
//
//   origin PORT BODY_BYTES
//
// One thread, epoll, 127.0.0.1 only. A request is whatever ends in an empty line; bodies are not expected.
// Pipelined requests are answered in order; a client that does not take its answer waits for its own socket only.

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

struct connection {
    int matched;      // How many bytes of CR LF CR LF have been seen in a row.
    size_t answers;   // Whole answers still to be written, the present one included.
    size_t written;   // Bytes of the present answer that are written.
    int waits_for_out;
};

static struct connection connections[MAX_FDS];
static char *answer;
static size_t answer_length;
static int epoll_fd;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void prepare_answer(size_t body) {
    answer = malloc(body + 256);
    if (!answer) die("malloc");
    answer_length = (size_t)sprintf(answer,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nServer: origin\r\n\r\n", body);
    memset(answer + answer_length, 'x', body);
    answer_length += body;
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address)) die("bind");
    if (listen(fd, 4096)) die("listen");
    return fd;
}

static void watch(int fd, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, operation, fd, &event)) die("epoll_ctl");
}

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FDS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections[fd] = (struct connection){0};
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

// Counts the heads that end in these bytes.
static size_t heads(struct connection *c, const char *bytes, ssize_t length) {
    static const char end[] = "\r\n\r\n";
    size_t count = 0;
    for (ssize_t i = 0; i < length; i++) {
        if (bytes[i] == end[c->matched]) {
            if (++c->matched == 4) {
                count++;
                c->matched = 0;
            }
        } else {
            c->matched = bytes[i] == '\r';
        }
    }
    return count;
}

// Writes what is due, as far as the socket takes it. Returns -1 when the connection is gone.
static int write_answers(int fd) {
    struct connection *c = &connections[fd];
    while (c->answers) {
        ssize_t written = write(fd, answer + c->written, answer_length - c->written);
        if (written < 0) {
            if (errno != EAGAIN) return -1;
            if (!c->waits_for_out) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            c->waits_for_out = 1;
            return 0;
        }
        c->written += (size_t)written;
        if (c->written == answer_length) {
            c->written = 0;
            c->answers--;
        }
    }
    if (c->waits_for_out) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    c->waits_for_out = 0;
    return 0;
}

static void serve(int fd, uint32_t events) {
    static char buffer[BUFFER];
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t length = read(fd, buffer, sizeof buffer);
        if (length == 0 || (length < 0 && errno != EAGAIN)) {
            close(fd);
            return;
        }
        if (length > 0) connections[fd].answers += heads(&connections[fd], buffer, length);
    }
    if (write_answers(fd)) close(fd);
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: origin PORT BODY_BYTES\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    prepare_answer(strtoul(arguments[2], NULL, 10));
    int listener = listen_on(atoi(arguments[1]));
    epoll_fd = epoll_create1(0);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener) accept_all(listener);
            else serve(events[i].data.fd, events[i].events);
        }
    }
}
