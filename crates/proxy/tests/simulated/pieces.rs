//! However the bytes are cut on their way, what arrives is the same.

use crate::world::{Message, Setup};

/// A conversation: what the client sends, and what the origin answers to each request.
struct Conversation {
    name: &'static str,
    requests: &'static str,
    answers: &'static [&'static str],
}

const CONVERSATIONS: &[Conversation] = &[
    Conversation {
        name: "lengths",
        requests: "PUT /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello world",
        answers: &["HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-Y: z\r\n\r\nand good bye"],
    },
    Conversation {
        name: "chunks and trailers",
        requests: "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
            5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n",
        answers: &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nand\r\n9;q=\"x\"\r\n good bye\r\n0\r\nX-Sum: 12\r\n\r\n"],
    },
    Conversation {
        name: "one behind another",
        requests: "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n\
            POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\ntwo\
            \r\nPUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\n\
            GET /4 HTTP/1.1\r\nHost: h\r\n\r\n",
        answers: &[
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        ],
    },
    Conversation {
        name: "interim answers",
        requests: "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        answers: &["HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
            HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    },
];

/// How large the pieces are: what one read gives on each of the four ends (0: as it comes), and what a stream
/// holds.
#[derive(Clone, Copy, Debug, Default)]
struct Pieces {
    client_reads: usize,
    gateway_reads_client: usize,
    origin_reads: usize,
    gateway_reads_origin: usize,
    capacity: usize,
}

/// What the origin and the client got.
#[derive(Debug, PartialEq)]
struct Transcript {
    requests: Vec<Message>,
    answers: Vec<Message>,
}

fn talk(conversation: &Conversation, pieces: Pieces) -> Transcript {
    let mut transcript = None;
    Setup::capacity(pieces.capacity).run(async |world| {
        let (origin, client) = (world.origin(), world.client());
        client.in_pieces(pieces.client_reads, pieces.gateway_reads_client);
        origin.in_pieces(pieces.origin_reads, pieces.gateway_reads_origin);
        let serve = async {
            let mut requests = Vec::new();
            for answer in conversation.answers {
                let mut request = origin.message().await.expect("a request");
                request.head = without_instance(&request.head);
                requests.push(request);
                origin.send(answer).await;
            }
            requests
        };
        let receive = async {
            let mut answers = Vec::new();
            for answer in conversation.answers {
                for _ in 0..answer.matches("HTTP/1.1 ").count() {
                    let answer = client.message().await;
                    assert!(answer.is_ok(), "{}: {pieces:?}: {answer:?}", conversation.name);
                    answers.extend(answer);
                }
            }
            answers
        };
        let ((), requests, answers) = tokio::join!(client.send(conversation.requests), serve, receive);
        assert_eq!(world.metric("irongate_upstream_connections_idle"), 1.0, "{}", conversation.name);
        transcript = Some(Transcript { requests, answers });
    });
    transcript.expect("the conversation was held")
}

/// Our name in `Via` is another in each process.
fn without_instance(head: &str) -> String {
    match head.split_once("irongate-") {
        Some((before, after)) => format!("{before}irongate{}", &after[8..]),
        None => head.to_owned(),
    }
}

#[test]
fn pieces_make_no_difference() {
    for conversation in CONVERSATIONS {
        let whole = talk(conversation, Pieces::default());
        for size in [1, 2, 3, 7] {
            let cuts = [
                Pieces { client_reads: size, ..Pieces::default() },
                Pieces { gateway_reads_client: size, ..Pieces::default() },
                Pieces { origin_reads: size, ..Pieces::default() },
                Pieces { gateway_reads_origin: size, ..Pieces::default() },
                Pieces { capacity: size, ..Pieces::default() },
                Pieces {
                    client_reads: size,
                    gateway_reads_client: size,
                    origin_reads: size,
                    gateway_reads_origin: size,
                    capacity: 2 * size,
                },
            ];
            for pieces in cuts {
                assert_eq!(talk(conversation, pieces), whole, "{}: {pieces:?}", conversation.name);
            }
        }
    }
}
