//! An origin that speaks HTTP/2 in cleartext: `http2-origin PORT BYTES`.
//!
//! Every request is read to its end and answered by so many bytes; one of gRPC by a message of so many bytes and the
//! status OK. One thread, on 127.0.0.1 only.

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};

/// What may come of all requests of a connection before it is read, and of one: more than a proxy ever sends ahead here.
const WINDOW: u32 = 1 << 20;

/// The answers.
#[derive(Clone)]
struct Answers {
    plain: Bytes,
    /// The same behind the length of a message of gRPC.
    message: Bytes,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number =
        || arguments.next().context("usage: http2-origin PORT BYTES")?.parse::<u32>().context("a number");
    let (port, length) = (u16::try_from(number()?)?, number()?);
    let plain = vec![b'x'; length as usize];
    let message = [&[0][..], &length.to_be_bytes(), &plain].concat();
    let answers = Answers { plain: plain.into(), message: message.into() };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that fails is its peer's affair.
        tokio::spawn(serve(stream, answers.clone()));
    }
}

async fn serve(stream: TcpStream, answers: Answers) -> Result<(), h2::Error> {
    let mut builder = Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW).max_concurrent_streams(1000);
    let mut connection = builder.handshake(stream).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        tokio::spawn(answer(request, respond, answers.clone()));
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answers: Answers,
) -> Result<(), h2::Error> {
    let is_grpc =
        request.headers().get(http::header::CONTENT_TYPE).is_some_and(|kind| kind == "application/grpc");
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        let length = data?.len();
        body.flow_control().release_capacity(length)?;
    }
    let kind = if is_grpc { "application/grpc" } else { "text/plain" };
    let mut response = Response::new(());
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if !is_grpc {
        response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(answers.plain.len()));
        return respond.send_response(response, false)?.send_data(answers.plain, true);
    }
    let mut stream = respond.send_response(response, false)?;
    stream.send_data(answers.message, false)?;
    stream.send_trailers(HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]))
}
