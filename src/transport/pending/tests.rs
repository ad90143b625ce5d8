//! What a drain waits for, on a socket pair, and what goes with the connection.

use std::{rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::*;
use crate::{
    connection::socket::Socket,
    transport::{http_stream::HttpStream, request_turn::RequestTurn},
};

fn stream(place: &Rc<PendingConnection>) -> (HttpStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let turn = Rc::new(RequestTurn::new(64, Arc::default()));
    let timeout = Duration::from_secs(10);
    let stream = HttpStream::new(Socket::Unix(ours), timeout, 1024, place.clone(), turn);
    (stream, theirs)
}

fn answers(place: &Rc<PendingConnection>) {
    let (answering, body) = Answering::begin(place);
    drop(body);
    drop(answering);
}

// The answer to whoever was held at the end of a process was made, nobody was answered any more,
// and the process ended before the worker had written it.
#[tokio::test]
async fn an_answer_is_waited_for_until_it_is_written() {
    let place = Rc::new(PendingConnection::for_test());
    let (mut stream, mut client) = stream(&place);
    let (answering, body) = Answering::begin(&place);
    drop(body);
    assert_eq!(place.all().answering(), 1);
    drop(answering);
    assert_eq!(place.all().answering(), 1, "it is made and not written");
    stream.write_all(b"answer").await.expect("room");
    stream.flush().await.expect("room");
    assert_eq!(place.all().answering(), 0);
    let mut answer = [0; 6];
    client.read_exact(&mut answer).await.expect("the answer");
    assert_eq!(&answer, b"answer");
    // One that is the last is followed by the end, without a flush.
    answers(&place);
    assert_eq!(place.all().answering(), 1);
    stream.shutdown().await.expect("shut");
    assert_eq!(place.all().answering(), 0);
}

#[tokio::test]
async fn answers_that_are_written_together_are_counted_right() {
    let place = Rc::new(PendingConnection::for_test());
    let (mut stream, _client) = stream(&place);
    for _ in 0..3 {
        answers(&place);
    }
    assert!(place.all().answering() > 0);
    stream.flush().await.expect("room");
    assert_eq!(place.all().answering(), 0);
    answers(&place);
    let (answering, body) = Answering::begin(&place);
    drop(body);
    stream.flush().await.expect("room");
    assert_eq!(place.all().answering(), 1, "the next one is being made");
    drop(answering);
    stream.flush().await.expect("room");
    assert_eq!(place.all().answering(), 0);
}

#[tokio::test]
async fn nobody_is_waited_for_who_is_gone_or_has_become_a_session() {
    let settings = Settings::demonstration();
    let all = PendingConnections::new(&settings, Arc::default());
    let gone = Rc::new(PendingConnection::new(&all, None, Arc::default()));
    answers(&gone);
    assert_eq!(all.answering(), 1);
    drop(gone);
    assert_eq!(all.answering(), 0);
    let session = Rc::new(PendingConnection::new(&all, None, Arc::default()));
    let (answering, body) = Answering::begin(&session);
    drop(body);
    answering.place().become_session();
    drop(answering);
    assert_eq!(
        all.answering(),
        0,
        "the head of its 101 is its own to write"
    );
}
