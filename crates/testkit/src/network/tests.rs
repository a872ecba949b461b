use super::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn reads_can_be_as_small_as_a_byte() {
    let (mut near, mut far) = pair(16);
    far.set_read_size(1);
    near.write_all(b"abc").await.expect("room for three");
    let mut buffer = [0; 8];
    for byte in *b"abc" {
        assert_eq!(far.read(&mut buffer).await.expect("open"), 1);
        assert_eq!(buffer[0], byte);
    }
    near.finish();
    assert_eq!(far.read(&mut buffer).await.expect("a clean end"), 0);
    far.write_all(b"the other way").await.expect("it is still open, and the buffer holds 16");
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_makes_the_writer_wait_until_it_is_read() {
    let (mut near, mut far) = pair(4);
    let mut send = std::pin::pin!(near.write_all(b"abcdef"));
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut send).await.is_err(), "only 4 fit");
    let mut buffer = [0; 4];
    far.read_exact(&mut buffer).await.expect("four are there");
    send.await.expect("two more fit now");
    assert_eq!(far.received(), b"abcdef");
    assert_eq!(far.waiting(), 2);
}

#[tokio::test]
async fn a_reset_loses_what_was_not_read() {
    let (mut near, mut far) = pair(16);
    near.write_all(b"abc").await.expect("room");
    near.reset();
    let error = far.read(&mut [0; 4]).await.expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn writing_to_a_closed_end_fails() {
    let (mut near, far) = pair(16);
    drop(far);
    assert_eq!(near.write(b"a").await.expect_err("closed").kind(), ErrorKind::BrokenPipe);
    assert_eq!(near.read(&mut [0; 4]).await.expect("a clean end"), 0);
}

#[tokio::test(start_paused = true)]
async fn connects_are_accepted_refused_or_endless() {
    let network = Network::new();
    let (heard, silent) = (SocketAddr::from(([10, 0, 0, 1], 80)), SocketAddr::from(([10, 0, 0, 2], 80)));
    assert_eq!(
        network.connect(heard).await.err().map(|error| error.kind()),
        Some(ErrorKind::ConnectionRefused)
    );
    let listener = network.listen(heard);
    let mut near = network.connect(heard).await.expect("somebody listens");
    let mut far = listener.accept().await;
    near.write_all(b"a").await.expect("room");
    assert_eq!(far.read_u8().await.expect("a byte"), b'a');
    network.silence(silent);
    assert!(tokio::time::timeout(Duration::from_secs(9), network.connect(silent)).await.is_err());
    drop(listener);
    assert!(network.connect(heard).await.is_err());
}
