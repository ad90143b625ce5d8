//! `[[poll]]`: asks a backend's HTTP endpoint by the clock and publishes what it answers when that
//! changed.
//!
//! One tokio task for each entry, owned by the node, ended by aborting it. It asks only while
//! somebody listens; the first answer counts as a change, and so publishes. Who comes later is
//! served by the channel's history: an unchanged answer is not published again for them. Bounds:
//! one request at a time, answers up to 1 MiB, pauses of at most 5 min (or `every`) during an
//! outage. It must not know sessions.

mod status;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH},
};
use tokio::time::{Instant, sleep_until, timeout};

pub(crate) use self::status::{PollStatus, PollWatch};
use super::entries::{Entries, hash, is_kept};
use crate::{
    broker::{Broker, BrokerError, PublishRequest, PublishResult},
    config::{self, Channels},
    hooks::backoff_delay,
    http_client::{HttpClient, HttpResponse, HttpSetupError, parse_url},
    id::StreamPosition,
    last_error::LastError,
    publication::{Payload, Target},
    store,
};

/// Longest pause during an outage, unless `every` is longer.
const PAUSE_LONGEST: Duration = Duration::from_secs(300);

/// How often it looks whether somebody listens now, unless `every` is shorter.
const LOOK: Duration = Duration::from_secs(1);

/// Stands in for periods that no clock can hold.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

/// See the module.
pub(crate) struct Poller {
    url: Url,
    headers: HeaderMap,
    every: Duration,
    timeout: Duration,
    publish_failures: bool,
    http: HttpClient,
    broker: Arc<dyn Broker>,
    /// What is published, but for the body.
    request: PublishRequest,
    watch: PollWatch,
    last: Last,
    entries: Arc<Entries>,
    /// Names it among the entries of the settings.
    entry: u128,
}

/// What the channel saw last.
#[derive(Default)]
struct Last {
    etag: Option<HeaderValue>,
    hash: Option<u128>,
    /// Failures since the last answer.
    failures: u32,
    /// This outage was published.
    told: bool,
}

/// Why there is nothing to publish.
struct PollFault {
    /// For the channel and for the status.
    word: String,
    /// For the log, in the words of the system.
    why: String,
}

impl PollFault {
    fn same(text: String) -> Self {
        Self {
            word: text.clone(),
            why: text,
        }
    }
}

impl Poller {
    /// A poll that has not asked yet.
    ///
    /// # Errors
    /// The URL of the settings, or one of their headers, cannot be one.
    pub(crate) fn new(
        settings: &config::PollSettings,
        http: HttpClient,
        channels: &Channels,
        broker: Arc<dyn Broker>,
    ) -> Result<Self, HttpSetupError> {
        let what = format!("poll of {}", settings.channel);
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let header = HeaderName::from_bytes(name.as_bytes())
                .ok()
                .zip(HeaderValue::from_str(value).ok());
            let (header, value) = header.ok_or_else(|| HttpSetupError::Header {
                what: what.clone(),
                name: name.clone(),
            })?;
            headers.append(header, value);
        }
        Ok(Self {
            url: parse_url(&what, &settings.url)?,
            headers,
            // A period of nothing would never let go of the thread.
            every: settings.every.max(Duration::from_millis(1)),
            timeout: settings.timeout,
            publish_failures: settings.publish_failures,
            http,
            broker,
            request: PublishRequest::unchecked(
                channels,
                settings.channel.as_str().into(),
                Payload::Binary(Bytes::new()),
            ),
            watch: PollWatch::new(settings),
            last: Last::default(),
            entries: Arc::default(),
            entry: entry_id(settings),
        })
    }

    /// The same, going on where a process before ended.
    #[must_use]
    pub(crate) fn with_entries(mut self, entries: Arc<Entries>) -> Self {
        self.entries = entries;
        self
    }

    /// What the channel saw before the start counts if its history still holds it.
    async fn restore_last(&mut self) {
        let Some(before) = self.entries.poll(self.entry) else {
            return;
        };
        if let (Some((hash, place)), Target::Channel(channel)) = (before.last, &self.request.target)
            && is_kept(self.broker.clone(), channel.clone(), place).await
        {
            self.last.hash = Some(hash);
            let etag = before
                .etag
                .and_then(|etag| HeaderValue::try_from(etag).ok());
            self.last.etag = etag;
        }
    }

    /// To read the status while the task runs.
    #[must_use]
    pub(crate) fn watch(&self) -> PollWatch {
        self.watch.clone()
    }

    /// The task; ends when another process runs it.
    pub(crate) async fn run(mut self) {
        self.restore_last().await;
        loop {
            let due = self.watch.counts().due;
            sleep_until(due).await;
            while !self.has_subscribers().await {
                sleep_until(Instant::now() + self.every.min(LOOK)).await;
            }
            if self.entries.is_stopped() {
                return;
            }
            let asked = Instant::now();
            let outcome = match timeout(self.timeout, self.ask()).await {
                Ok(Ok(response)) => self.on_response(response).await,
                Ok(Err(fault)) => Err(fault),
                Err(_) => Err(PollFault::same("timeout".to_string())),
            };
            {
                let mut counts = self.watch.counts();
                counts.runs += 1;
                counts.last_run = Some(SystemTime::now());
            }
            let pause = match outcome {
                Ok(()) => self.recovered(),
                Err(fault) => self.failed(fault).await,
            };
            // Without an end of time: a period beyond it is as good as never.
            let due = asked.checked_add(pause).unwrap_or(asked + NEVER);
            self.watch.counts().due = due;
        }
    }

    /// Whether anyone would receive a publication. Not known, they might.
    async fn has_subscribers(&self) -> bool {
        let asking = self.broker.has_subscribers(&self.request.target);
        asking.await.unwrap_or(true)
    }

    async fn publish(&self, body: Bytes, is_text: bool) -> Result<PublishResult, BrokerError> {
        let payload = if is_text {
            Payload::guess(body)
        } else {
            Payload::Binary(body)
        };
        let request = PublishRequest {
            payload,
            ..self.request.clone()
        };
        self.broker.publish(request).await
    }

    async fn ask(&self) -> Result<HttpResponse, PollFault> {
        let mut request = self.http.get(&self.url).headers(self.headers.clone());
        if let Some(etag) = &self.last.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = self.http.send(request).await.map_err(|error| PollFault {
            word: error.word().to_string(),
            why: error.to_string(),
        })?;
        match response.status {
            200..=299 | 304 => Ok(response),
            status => Err(PollFault::same(format!("status {status}"))),
        }
    }

    /// Publishes an answer if it differs from what the channel saw last. Nothing said (304, no
    /// body) is no change.
    async fn on_response(&mut self, response: HttpResponse) -> Result<(), PollFault> {
        if response.status == 304 || response.body.is_empty() {
            return Ok(());
        }
        let hash = hash(&[&response.body]);
        if self.last.hash == Some(hash) {
            self.last.etag = response.etag;
            return Ok(());
        }
        let is_text = response.is_text();
        match self.publish(response.body, is_text).await {
            Ok(published) => {
                self.watch.counts().changes += 1;
                self.last.etag = response.etag;
                self.last.hash = Some(hash);
                self.note(published.position.map(|place| (hash, place)));
            }
            Err(error) => {
                // The backend is well; its answer still counts as unseen, so the next one is
                // published.
                let mut counts = self.watch.counts();
                counts.refused += 1;
                counts.last_fault = Some(LastError::now(&error.to_string()));
                drop(counts);
                log::warn!(channel = self.channel(), reason:% = error; "poll left out");
            }
        }
        Ok(())
    }

    fn recovered(&mut self) -> Duration {
        if self.last.failures > 0 {
            log::info!(channel = self.channel(); "poll works again");
        }
        self.last.failures = 0;
        self.last.told = false;
        let mut counts = self.watch.counts();
        (counts.last_error, counts.last_reason) = (None, None);
        self.every
    }

    async fn failed(&mut self, PollFault { word, why }: PollFault) -> Duration {
        if self.last.failures == 0 {
            let (channel, url) = (self.channel(), self.watch.url());
            log::warn!(channel, url:%, reason:% = why; "poll failed");
        }
        self.last.failures = self.last.failures.saturating_add(1);
        if self.publish_failures && !self.last.told {
            let error = serde_json::json!({ "error": word }).to_string();
            self.last.told = self.publish(error.into(), true).await.is_ok();
            if self.last.told {
                // The channel saw the error last, so the next answer is a change even if it is the
                // old one.
                self.last.etag = None;
                self.last.hash = None;
                self.note(None);
            }
        }
        let mut counts = self.watch.counts();
        counts.failures += 1;
        counts.last_fault = Some(LastError::now(&why));
        counts.last_error = Some(word);
        counts.last_reason = Some(why);
        backoff_delay(self.every, PAUSE_LONGEST, self.last.failures).max(self.every)
    }

    /// Notes for a process to come what the channel saw last; absent: no answer of the backend.
    fn note(&self, last: Option<(u128, StreamPosition)>) {
        let etag = self.last.etag.as_ref().and_then(|etag| etag.to_str().ok());
        self.entries.note_poll(store::PollRecord {
            entry: self.entry,
            etag: etag.map(ToString::to_string),
            last,
        });
    }

    fn channel(&self) -> &str {
        self.watch.channel()
    }
}

/// Names an entry by all that makes what it publishes.
fn entry_id(settings: &config::PollSettings) -> u128 {
    let headers = settings.headers.iter();
    let headers = headers.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let mut parts = vec![
        b"poll".as_slice(),
        settings.url.as_bytes(),
        settings.channel.as_bytes(),
    ];
    parts.extend(headers);
    hash(&parts)
}

#[cfg(test)]
mod tests;
