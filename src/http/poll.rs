//! `/poll?channel=…&since=…`, or the same as a form: what came behind a position, at once if there
//! is something, else as soon as there is.
//!
//! A poll that waits is a session like any other, held to the limits, and ends with its request.
//! Bounds: `limits.poll_wait` in time, a recovery and an outbox in bytes. It must not answer with a
//! position that is beyond the messages of the answer. Where another process has taken over nobody
//! waits: an answer sends its client there.

use std::{future::poll_fn, rc::Rc, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use tokio::time::{Instant, timeout_at};

use super::{cors, plain, request};
use crate::{
    close::{Close, Ending},
    connection::{info::TransportKind, outbox::Frame},
    id::StreamPosition,
    node::{Node, auth::status_of, recovery::Since},
    registry::ChannelName,
    session::{
        channel_request::ChannelRequest,
        stream::{
            self, SessionHandle,
            cursor::{self, RecoveredChannel, StreamCursor, poll_message},
        },
    },
    shard::Shard,
    transport::pending::PendingConnection,
};

/// How long a poll waits for more once it has something, so that a burst is one answer.
const GATHER: Duration = Duration::from_millis(5);

/// Answers a poll.
pub(super) async fn open(
    request: HttpRequest,
    node: web::Data<Node>,
    body: web::Payload,
) -> HttpResponse {
    let work = async {
        let answer = ask(&request, &node, body).await;
        answer.unwrap_or_else(|answer| *answer)
    };
    cors::with_cors(&request, &node, &[Method::GET, Method::POST], work).await
}

async fn ask(
    request: &HttpRequest,
    node: &Arc<Node>,
    body: web::Payload,
) -> Result<HttpResponse, plain::ErrorResponse> {
    let query = plain::query(request, node, body).await?;
    let mut params = plain::prepare(request, node, &query, "/poll", TransportKind::Poll).await?;
    if query.has_since() {
        // Otherwise it would be answered with the newest again and again.
        let channels = params.admitted.granted.iter_mut();
        channels.for_each(ChannelRequest::wait_where_nothing_is_known);
    }
    let is_handed_over = node.is_handed_over();
    let resumes_from = query.resumes_from(params.admitted.granted.len());
    if let Some(since) = resumes_from.filter(|_| is_handed_over) {
        return Ok(nothing_new(&since));
    }
    let recovered = stream::recover(node, &params.admitted.granted).await;
    let recovered = recovered.map_err(|_| plain::unrecovered(None))?;
    let requests = params.admitted.granted.iter();
    let channels: Vec<ChannelName> = requests.map(|request| request.channel.clone()).collect();
    let is_answered = !query.has_since() || is_handed_over;
    if is_answered || recovered.iter().any(RecoveredChannel::has_messages) {
        let messages = Messages::past(&channels, recovered);
        // There is no session, only the worker that counts.
        if let Ok(shard) = request::shard_of(request) {
            let stats = &shard.shared().stats;
            stats.messages_out.add(messages.count);
            stats.bytes_out.add(messages.json.len() as u64);
        }
        return Ok(messages.finish());
    }
    let complete = recovered.iter().all(RecoveredChannel::is_complete);
    // It goes on from what was just read: nothing is there yet, and nothing will be missed while
    // the session begins.
    for channel_request in &mut params.admitted.granted {
        let channel = &channel_request.channel;
        let known = recovered.iter().find(|one| one.channel == *channel);
        channel_request.since = match known.map(|known| known.recovery.top) {
            Some(top) if !top.epoch.is_none() => Since::position(top),
            _ => Since::Now,
        };
        // Others would see the client come and go with every poll.
        channel_request.announce = false;
    }
    let shard = request::shard_of(request)
        .map_err(|refusal| Box::new(request::refuse(request, node, &refusal)))?;
    if let Some(place) = request.conn_data::<Rc<PendingConnection>>() {
        place.be_served();
    }
    let poll = WaitingPoll {
        node,
        shard,
        channels: &channels,
        complete,
    };
    poll.wait(stream::start(params, shard, node)).await
}

/// A poll for which nothing is there yet.
struct WaitingPoll<'a> {
    node: &'a Node,
    shard: &'a Shard,
    channels: &'a [ChannelName],
    /// All that its client missed is known here.
    complete: bool,
}

impl WaitingPoll<'_> {
    /// Waits for the first message, and gathers what comes with it.
    async fn wait(&self, mut handle: SessionHandle) -> Result<HttpResponse, plain::ErrorResponse> {
        let limits = &self.node.settings.limits;
        let mut deadline = Instant::now() + limits.poll_wait;
        let recovered = handle.recovered().await;
        let recovered = recovered.map_err(|_| plain::unrecovered(handle.connection().ending()))?;
        let mut messages = Messages::past(self.channels, recovered);
        messages.recovered &= self.complete;
        let connection = handle.connection();
        connection.count_brought(messages.count, messages.json.len());
        if !messages.is_empty() {
            deadline = Instant::now() + GATHER;
        }
        let mut is_last = false;
        // Faster than this, and the rest is for the next poll.
        while messages.json.len() <= limits.outbox_bytes {
            match timeout_at(deadline, poll_fn(|cx| handle.connection().poll_take(cx))).await {
                Err(_) if is_last => break,
                // What waits in the windows of its channels is for this poll, which was there
                // before.
                Err(_) => {
                    is_last = true;
                    let session = handle.connection().info().id;
                    self.shard.send_waiting(session);
                }
                Ok(Some(frame)) => {
                    if messages.take(&frame) {
                        deadline = deadline.min(Instant::now() + GATHER);
                    }
                }
                Ok(None) => {
                    if let Some(close) = refused(handle.connection().ending(), &messages) {
                        return Err(Box::new(plain::close_response(&close)));
                    }
                    break;
                }
            }
        }
        // What its client asked for is done; without a word it would look lost.
        let answered = Ending::ByServer(Close::ANSWERED);
        handle.connection().end(answered);
        Ok(messages.finish())
    }
}

/// The answer to who is to poll again where another process has taken over: that one may have told
/// it of more than is known here.
fn nothing_new(since: &str) -> HttpResponse {
    let since = serde_json::Value::from(since);
    json(format!("{{\"messages\":[],\"since\":{since},\"recovered\":true}}").into())
}

fn json(body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}

/// What ended a session that has nothing to tell, if its client is to know. All else is answered as
/// if the time were over: who polls again goes on from where it was, here or elsewhere.
fn refused(ending: Option<Ending>, messages: &Messages) -> Option<Close> {
    match ending {
        Some(Ending::ByServer(close))
            if messages.is_empty() && matches!(status_of(&close), 401 | 403) =>
        {
            Some(close)
        }
        _ => None,
    }
}

/// The messages of one answer of `/poll`, as JSON.
struct Messages {
    json: Vec<u8>,
    count: u64,
    cursor: StreamCursor,
    recovered: bool,
}

impl Messages {
    /// With what was missed.
    fn past(channels: &[ChannelName], recovered: Vec<RecoveredChannel>) -> Self {
        let mut messages = Self {
            json: Vec::new(),
            count: 0,
            cursor: StreamCursor::before(channels, &recovered),
            recovered: recovered.iter().all(RecoveredChannel::is_complete),
        };
        for missed in cursor::missed(recovered) {
            messages.add(&missed.channel, missed.position, &missed.item);
        }
        messages
    }

    fn is_empty(&self) -> bool {
        self.json.is_empty()
    }

    /// Adds a publication; false if the frame is none.
    fn take(&mut self, frame: &Frame) -> bool {
        let before = self.count;
        for publication in frame.publications() {
            if let Some(item) = publication.item() {
                self.add(publication.channel(), publication.position(), item);
            }
        }
        self.count > before
    }

    fn add(&mut self, channel: &str, position: StreamPosition, item: &crate::publication::Item) {
        self.json
            .push(if self.json.is_empty() { b'[' } else { b',' });
        poll_message(channel, item, &mut self.json);
        self.count += 1;
        self.cursor.advance(channel, position);
    }

    fn finish(self) -> HttpResponse {
        let mut body = b"{\"messages\":".to_vec();
        body.extend_from_slice(if self.json.is_empty() {
            b"["
        } else {
            &self.json
        });
        let rest = format!(
            "],\"since\":\"{}\",\"recovered\":{}}}",
            self.cursor.since(),
            self.recovered
        );
        body.extend_from_slice(rest.as_bytes());
        json(body)
    }
}
