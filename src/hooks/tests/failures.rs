//! What a caller sees when the backend does not do its part, and that nobody else is harmed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{
    AMPLE,
    backend::{Backend, Does, json as answer, nowhere},
    hooks_at, until, user_context,
};
use crate::{
    hooks::{HookClient, HookFailure, Unavailable, stats::CallOutcome, stats::HookKind},
    http_client::{ANSWER_BYTES_MAX, HttpSetupError},
    publication::Payload,
};

const SHORT: Duration = Duration::from_millis(150);

fn unavailable<T>(word: &'static str) -> Result<T, HookFailure> {
    Err(HookFailure::Unavailable(Unavailable::of_kind(word)))
}

/// Asks `rpc` of a backend that does this.
async fn rpc(timeout: Duration, does: Does) -> (Result<Bytes, HookFailure>, Backend) {
    let backend = Backend::start(move |_| does.clone()).await;
    let client = HookClient::new(&hooks_at(&backend.url("/"), timeout)).unwrap();
    (
        client.rpc(&user_context(), "m", Bytes::new()).await,
        backend,
    )
}

#[tokio::test]
async fn a_backend_that_never_answers_is_given_up_in_time() {
    assert_eq!(
        rpc(SHORT, Does::Hangs(Vec::new())).await.0,
        unavailable("timeout")
    );
}

#[tokio::test]
async fn the_timeout_covers_the_body_too() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    assert_eq!(
        rpc(SHORT, Does::Hangs(half)).await.0,
        unavailable("timeout")
    );
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let (answer, backend) = rpc(
        AMPLE,
        Does::Answers("302 Found\r\nLocation: /elsewhere", Vec::new()),
    )
    .await;
    assert_eq!(answer, unavailable("status"));
    assert_eq!(backend.asked().len(), 1);
}

#[tokio::test]
async fn only_200_is_an_answer() {
    for head in ["500 Oops", "403 Forbidden", "201 Created"] {
        let body = br#"{"result":{}}"#.to_vec();
        let (answer, _) = rpc(AMPLE, Does::Answers(head, body)).await;
        assert_eq!(answer, unavailable("status"), "{head}");
    }
}

#[tokio::test]
async fn an_answer_beyond_the_bound_is_refused_with_and_without_a_length() {
    let fits = |bytes: usize| {
        let text = "x".repeat(bytes - r#"{"result":{"data":""}}"#.len());
        format!(r#"{{"result":{{"data":"{text}"}}}}"#)
    };
    let whole = fits(ANSWER_BYTES_MAX);
    assert_eq!(whole.len(), ANSWER_BYTES_MAX);
    let (answer, _) = rpc(AMPLE, self::answer(&whole)).await;
    assert!(answer.is_ok(), "{:?}", answer.err());
    let over = fits(ANSWER_BYTES_MAX + 1);
    let (answer, _) = rpc(AMPLE, self::answer(&over)).await;
    assert_eq!(answer, unavailable("too_large"));
    let unsized_answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{over}");
    let (answer, _) = rpc(AMPLE, Does::Writes(unsized_answer.into_bytes())).await;
    assert_eq!(answer, unavailable("too_large"));
}

#[tokio::test]
async fn what_is_no_json_or_no_http_is_told_apart() {
    let html = Does::Answers("200 OK\r\nContent-Type: text/html", b"<h1>hi</h1>".to_vec());
    assert_eq!(rpc(AMPLE, html).await.0, unavailable("malformed"));
    let zipped = "200 OK\r\nContent-Encoding: gzip";
    let zipped = Does::Answers(zipped, br#"{"result":{}}"#.to_vec());
    assert_eq!(rpc(AMPLE, zipped).await.0, unavailable("malformed"));
    let noise = Does::Writes(b"hello\r\n\r\n".to_vec());
    assert_eq!(rpc(AMPLE, noise).await.0, unavailable("broken"));
}

#[tokio::test]
async fn what_the_backend_may_have_acted_on_is_not_sent_twice() {
    let backend = Backend::start(|_| Does::Writes(Vec::new())).await;
    let client = HookClient::new(&hooks_at(&backend.url("/"), AMPLE)).unwrap();
    let user_context = user_context();
    let publish = client.publish(&user_context, "a", Bytes::new()).await;
    assert_eq!(publish.err(), unavailable::<()>("broken").err());
    let refresh = client.refresh(&user_context).await;
    assert_eq!(refresh.err(), unavailable::<()>("broken").err());
    let text = Payload::Text("hi".into());
    assert_eq!(
        client.message(&user_context, "/", text).await,
        unavailable("broken")
    );
    assert_eq!(backend.asked().len(), 3);
}

#[tokio::test]
async fn only_refreshes_are_repeated_where_no_connection_came_about() {
    let (_refusing, url) = nowhere();
    let client = HookClient::new(&hooks_at(&url, AMPLE)).unwrap();
    let user_context = user_context();
    assert!(client.refresh(&user_context).await.is_err());
    assert!(client.sub_refresh(&user_context, "a").await.is_err());
    assert!(
        client
            .publish(&user_context, "a", Bytes::new())
            .await
            .is_err()
    );
    let rpc = client.rpc(&user_context, "m", Bytes::new()).await;
    assert_eq!(rpc, unavailable("connect"));
    let stats = client.stats();
    let retries = |kind: HookKind| stats.hooks[kind as usize].retries;
    assert_eq!(retries(HookKind::Refresh), 1);
    assert_eq!(retries(HookKind::SubRefresh), 1);
    assert_eq!(retries(HookKind::Publish) + retries(HookKind::Rpc), 0);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_waiting_counts_against_the_timeout() {
    let backend = Backend::start(|_| Does::Hangs(Vec::new())).await;
    let mut settings = hooks_at(&backend.url("/"), AMPLE);
    // Long enough to be seen waiting.
    settings.publish.as_mut().unwrap().timeout = Duration::from_secs(2);
    (settings.concurrency, settings.queue) = (1, 1);
    let client = HookClient::new(&settings).unwrap();
    let rpc = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.rpc(&user_context(), "m", Bytes::new()).await }
    });
    until("the first call has left", || backend.asked().len() == 1).await;
    let waiting = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.publish(&user_context(), "a", Bytes::new()).await }
    });
    until("the second call waits", || client.stats().waiting == 1).await;
    let third = client.rpc(&user_context(), "m", Bytes::new()).await;
    assert_eq!(third, unavailable("busy"));
    let second = waiting.await.unwrap();
    assert_eq!(second.err(), unavailable::<()>("timeout").err());
    assert_eq!(backend.asked().len(), 1, "it never left");
    assert_eq!(client.stats().waiting, 0);

    // Whoever asked goes away: the place at the gate is free again.
    rpc.abort();
    assert!(rpc.await.unwrap_err().is_cancelled());
    let hooks = client.stats().hooks;
    let rpc = &hooks[HookKind::Rpc as usize];
    assert_eq!(
        (
            rpc.ended(CallOutcome::Abandoned),
            rpc.ended(CallOutcome::Busy)
        ),
        (1, 1)
    );
    let next = tokio::spawn(async move { client.rpc(&user_context(), "m", Bytes::new()).await });
    until("the next call has left", || backend.asked().len() == 2).await;
    next.abort();
}

fn many(client: &Arc<HookClient>, count: usize) -> Vec<JoinHandle<Result<Bytes, HookFailure>>> {
    let call = |_| {
        let client = Arc::clone(client);
        tokio::spawn(async move { client.rpc(&user_context(), "m", Bytes::new()).await })
    };
    (0..count).map(call).collect()
}

#[tokio::test]
async fn calls_at_a_time_are_bounded() {
    let backend = Backend::start(|_| Does::Hangs(Vec::new())).await;
    let mut settings = hooks_at(&backend.url("/"), AMPLE);
    settings.concurrency = 4;
    let client = HookClient::new(&settings).unwrap();
    let calls = many(&client, 10);
    until("six wait", || client.stats().waiting == 6).await;
    until("four have left", || backend.asked().len() == 4).await;
    assert_eq!(client.stats().hooks[HookKind::Rpc as usize].in_flight, 10);
    calls.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn all_who_wait_get_their_turn() {
    let backend = Backend::start(|_| answer(r#"{"result":{"data":1}}"#)).await;
    let mut settings = hooks_at(&backend.url("/"), AMPLE);
    settings.concurrency = 4;
    let client = HookClient::new(&settings).unwrap();
    for call in many(&client, 200) {
        assert_eq!(call.await.unwrap().unwrap(), "1");
    }
    assert_eq!(backend.asked().len(), 200);
}

#[test]
fn an_address_that_is_none_is_refused_without_its_secrets() {
    for (url, shown) in [
        ("backend/hook", "(unreadable)"),
        ("ftp://u:p@host/x?k=s", "ftp://host/x"),
    ] {
        let error = HookClient::new(&hooks_at(url, AMPLE)).unwrap_err();
        let HttpSetupError::Url { what, url, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((what.as_str(), url.as_str()), ("hooks.connect", shown));
    }
}

#[tokio::test]
async fn a_hook_that_is_not_set_allows_nothing() {
    let mut settings = hooks_at("http://127.0.0.1:9/", AMPLE);
    settings.publish = None;
    let client = HookClient::new(&settings).unwrap();
    assert!(!client.has(HookKind::Publish) && client.has(HookKind::Rpc));
    let answer = client.publish(&user_context(), "a", Bytes::new()).await;
    assert_eq!(answer.err(), unavailable::<()>("not_configured").err());
}
