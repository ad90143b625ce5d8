//! Wire ring of `[[poll]]`: against a small backend on loopback. The clock is paused where only
//! pauses are looked at.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::*;
use crate::{
    hooks::tests::backend::{Asked, Backend, Does, nowhere},
    testing::{Op, ScriptedBroker, scripted},
};

const AMPLE: Duration = Duration::from_secs(20);

/// A poll with a listener that tests switch, and what it published.
#[derive(Clone)]
struct Harness {
    broker: Arc<ScriptedBroker>,
}

impl Harness {
    fn new(heard: bool) -> Self {
        let broker = scripted();
        broker.say_has_subscribers(heard);
        Self { broker }
    }

    fn poller(&self, settings: &config::PollSettings) -> Poller {
        let http = HttpClient::new().unwrap();
        Poller::new(settings, http, &Channels::default(), self.broker.clone()).unwrap()
    }

    fn run(&self, settings: &config::PollSettings) -> PollWatch {
        let poller = self.poller(settings);
        let watch = poller.watch();
        tokio::spawn(poller.run());
        watch
    }

    fn texts(&self) -> Vec<String> {
        self.broker.texts()
    }

    fn looks(&self) -> usize {
        self.broker.calls(Op::HasSubscribers)
    }
}

fn settings(url: String) -> config::PollSettings {
    config::PollSettings {
        url,
        every: Duration::from_millis(5),
        channel: "news".into(),
        headers: vec![("X-Key".into(), "k".into())],
        timeout: AMPLE,
        publish_failures: false,
    }
}

/// Answers in order; the last one for ever.
async fn backend(does: impl IntoIterator<Item = Does>) -> Backend {
    let script = Mutex::new(does.into_iter().collect::<VecDeque<_>>());
    Backend::start(move |_| {
        let mut script = script.lock().unwrap();
        if script.len() > 1 {
            script.pop_front().unwrap()
        } else {
            script[0].clone()
        }
    })
    .await
}

fn text(body: &str) -> Does {
    Does::Answers("200 OK\r\nContent-Type: text/plain", body.into())
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = timeout(AMPLE, waiting).await;
    assert!(waited.is_ok(), "never happened: {what}");
}

#[tokio::test]
async fn only_changes_are_published() {
    let backend = backend(["a", "a", "b", "b", "a"].map(text)).await;
    let harness = Harness::new(true);
    let watch = harness.run(&settings(backend.url("/x")));
    until("some answers", || watch.status().runs >= 7).await;
    assert_eq!(harness.texts(), ["a", "b", "a"]);
    let status = watch.status();
    assert_eq!((status.changes, status.failures), (3, 0));
    assert_eq!(backend.asked()[0].line, "GET /x HTTP/1.1");
    assert_eq!(backend.asked()[0].header("x-key"), Some("k"));
}

#[tokio::test]
async fn a_known_etag_spares_the_body() {
    // The version changes with the fourth request.
    let count = AtomicU64::new(0);
    let backend = Backend::start(move |asked: &Asked| {
        let (etag, body) = match count.fetch_add(1, Relaxed) {
            0..3 => ("200 OK\r\nETag: \"one\"", "one"),
            _ => ("200 OK\r\nETag: W/\"two\"", "two"),
        };
        match asked.header("if-none-match") {
            Some(have) if etag.ends_with(have) => Does::Answers("304 Not Modified", Vec::new()),
            _ => Does::Answers(etag, body.into()),
        }
    })
    .await;
    let harness = Harness::new(true);
    let watch = harness.run(&settings(backend.url("/")));
    until("some answers", || watch.status().runs >= 6).await;
    assert_eq!(harness.texts(), ["one", "two"]);
    let tags = backend.asked();
    let tags: Vec<_> = tags
        .iter()
        .map(|asked| asked.header("if-none-match"))
        .collect();
    let (one, two) = (Some("\"one\""), Some("W/\"two\""));
    assert_eq!(tags[..6], [None, one, one, one, two, two]);
}

#[tokio::test]
async fn text_and_json_are_text_and_everything_else_is_binary() {
    let answers = [
        (
            "200 OK\r\nContent-Type: application/json",
            b"{}".to_vec(),
            true,
        ),
        (
            "200 OK\r\nContent-Type: application/ld+json",
            b"[]".to_vec(),
            true,
        ),
        (
            "200 OK\r\nContent-Type: text/csv; charset=utf-8",
            b"a,b".to_vec(),
            true,
        ),
        (
            "200 OK\r\nContent-Type: text/plain",
            b"\xff".to_vec(),
            false,
        ),
        ("200 OK\r\nContent-Type: image/png", b"png".to_vec(), false),
        ("200 OK", b"text".to_vec(), true),
    ];
    let backend = backend(
        answers
            .clone()
            .map(|(head, body, _)| Does::Answers(head, body)),
    )
    .await;
    let harness = Harness::new(true);
    let watch = harness.run(&settings(backend.url("/")));
    until("all answers", || watch.status().changes >= 6).await;
    let published = harness.broker.published();
    for ((_, body, is_text), (_, have)) in answers.iter().zip(&published) {
        let have_text = matches!(have.payload, Payload::Text(_));
        assert_eq!((have.payload.as_bytes(), have_text), (&body[..], *is_text));
    }
}

#[tokio::test]
async fn nobody_is_asked_until_somebody_listens_and_then_at_once() {
    let backend = backend([text("a")]).await;
    let harness = Harness::new(false);
    let watch = harness.run(&settings(backend.url("/")));
    until("it looked and looked", || harness.looks() > 5).await;
    assert_eq!((watch.status().runs, backend.asked().len()), (0, 0));
    harness.broker.say_has_subscribers(true);
    until("an answer", || harness.texts() == ["a"]).await;
    // Silence again: what is under way ends, then nothing is asked.
    harness.broker.say_has_subscribers(false);
    let seen = harness.looks();
    until("it looks in vain", || harness.looks() > seen + 3).await;
    let (runs, seen) = (backend.asked().len(), harness.looks());
    until("it looks in vain", || harness.looks() > seen + 5).await;
    assert_eq!(backend.asked().len(), runs);
}

#[tokio::test]
async fn a_refused_publication_is_tried_again_with_the_next_answer() {
    let backend = Backend::start(|asked| match asked.header("if-none-match") {
        Some(_) => Does::Answers("304 Not Modified", Vec::new()),
        None => Does::Answers("200 OK\r\nETag: \"1\"", b"a".to_vec()),
    })
    .await;
    let harness = Harness::new(true);
    harness.broker.fail(Op::Publish, BrokerError::Busy, 2);
    let watch = harness.run(&settings(backend.url("/")));
    until("published", || watch.status().changes == 1).await;
    assert_eq!(harness.texts(), ["a"]);
    let status = watch.status();
    assert_eq!((status.refused, status.failures), (2, 0));
}

#[tokio::test]
async fn nothing_said_is_no_change() {
    let silent = [
        text("a"),
        Does::Answers("204 No Content", Vec::new()),
        text(""),
        text("a"),
    ];
    let backend = backend(silent).await;
    let harness = Harness::new(true);
    let watch = harness.run(&settings(backend.url("/")));
    until("all answers", || watch.status().runs >= 5).await;
    assert_eq!(harness.texts(), ["a"]);
}

#[tokio::test]
async fn failures_are_counted_and_publish_nothing_by_default() {
    let failing = [
        text("a"),
        Does::Answers("500 Oops", b"secret trace".to_vec()),
        Does::Answers("302 Found\r\nLocation: /login", Vec::new()),
        text("b"),
    ];
    let backend = backend(failing).await;
    let harness = Harness::new(true);
    let watch = harness.run(&settings(backend.url("/")));
    until("failed", || watch.status().failures == 2).await;
    until("recovered", || watch.status().changes == 2).await;
    until("error forgotten", || watch.status().last_error.is_none()).await;
    assert_eq!(harness.texts(), ["a", "b"]);
}

#[tokio::test]
async fn an_outage_is_published_once_and_its_end_even_if_nothing_changed() {
    let count = AtomicU64::new(0);
    let backend = Backend::start(move |asked| {
        match (count.fetch_add(1, Relaxed), asked.header("if-none-match")) {
            (1..=3, _) => Does::Answers("500 Oops", Vec::new()),
            (_, Some(_)) => Does::Answers("304 Not Modified", Vec::new()),
            (_, None) => Does::Answers("200 OK\r\nETag: \"1\"", b"a".to_vec()),
        }
    })
    .await;
    let harness = Harness::new(true);
    let mut settings = settings(backend.url("/"));
    settings.publish_failures = true;
    let watch = harness.run(&settings);
    until("recovered", || watch.status().changes == 2).await;
    assert_eq!(harness.texts(), ["a", r#"{"error":"status 500"}"#, "a"]);
}

#[tokio::test(start_paused = true)]
async fn pauses_of_an_outage_double_up_to_five_minutes_and_are_never_shorter_than_the_period() {
    // Fails at once, so that only pauses take time.
    let (_refusing, url) = nowhere();
    let harness = Harness::new(true);
    let mut settings = settings(url);
    settings.every = Duration::from_secs(4);
    let mut poller = harness.poller(&settings);
    for failures in 1..=12_u32 {
        let pause = poller.failed(PollFault::same("connect".to_string())).await;
        let whole = (settings.every * 2_u32.pow(failures)).min(PAUSE_LONGEST);
        assert!(
            pause >= settings.every && pause >= whole / 2 && pause <= whole,
            "{failures}: {pause:?}"
        );
    }
    assert_eq!(poller.recovered(), settings.every);
    // And the task keeps to them: in ten minutes far fewer requests than periods.
    let watch = harness.run(&settings);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let status = watch.status();
    assert!((4..=12).contains(&status.runs), "{status:?}");
    assert_eq!(status.failures, status.runs);
    assert!(status.last_error.is_some());
    assert!(status.next_in <= PAUSE_LONGEST);
}

#[tokio::test]
async fn a_backend_that_hangs_is_given_up_and_one_that_says_too_much_is_refused() {
    let mut settings = settings(backend([Does::Hangs(Vec::new())]).await.url("/"));
    settings.timeout = Duration::from_millis(50);
    let watch = Harness::new(true).run(&settings);
    until("timeout", || {
        watch.status().last_error.as_deref() == Some("timeout")
    })
    .await;
    let long = text(&"x".repeat(crate::http_client::ANSWER_BYTES_MAX + 1));
    let backend = backend([long]).await;
    settings.url = backend.url("/");
    settings.timeout = AMPLE;
    let watch = Harness::new(true).run(&settings);
    until("refused", || {
        watch.status().last_error.as_deref() == Some("too_large")
    })
    .await;
}

#[tokio::test]
async fn the_status_hides_what_may_be_secret_and_bad_settings_are_refused() {
    let harness = Harness::new(false);
    let mut settings = settings("http://u:p@127.0.0.1:1/x?token=t".to_string());
    let status = harness.poller(&settings).watch().status();
    assert_eq!(status.url, "http://127.0.0.1:1/x");
    assert_eq!((status.channel.as_str(), status.runs), ("news", 0));
    let refused = |settings: &config::PollSettings| {
        let http = HttpClient::new().unwrap();
        Poller::new(settings, http, &Channels::default(), scripted()).err()
    };
    settings.headers = vec![("bad name".into(), "x".into())];
    assert!(matches!(
        refused(&settings),
        Some(HttpSetupError::Header { .. })
    ));
    settings.headers.clear();
    settings.url = "/x".into();
    assert!(matches!(
        refused(&settings),
        Some(HttpSetupError::Url { .. })
    ));
}
