//! `/sse?channel=…`, or the same as a form: publications as server-sent events (HTML, 9.2), each
//! with an id from which the stream goes on.
//!
//! The body composes events from what the session's outbox gives it, when actix-http asks for more:
//! nothing waits here but what was missed, which the bound of a recovery holds. It must not outlive
//! its client: dropping it ends the session.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::Method, web};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use super::{
    cors,
    event_stream::{STREAM_HEADERS, close_event, event, over},
    plain, request,
};
use crate::{
    close::{Close, Ending},
    connection::{
        info::TransportKind,
        outbox::{Frame, FrameKind},
    },
    id::SessionId,
    node::Node,
    publication::Publication,
    registry::ChannelName,
    session::{
        body::{CHUNK_BYTES, poll_chunk},
        stream::{
            self, SessionHandle,
            cursor::{self, MissedPublication, RecoveredChannel, StreamCursor},
        },
    },
};

/// After how many milliseconds a browser connects again; spread, so that the clients of a server
/// that went do not come back at once.
const RETRY_MS: f64 = 2000.0;
const RETRY_SPREAD_MS: f64 = 2000.0;
/// The same where another process has taken over, and is there already.
const HANDED_OVER_RETRY_SPREAD_MS: f64 = 1000.0;

/// Answers a request for a stream.
pub(super) async fn open(
    request: HttpRequest,
    node: web::Data<Node>,
    body: web::Payload,
) -> HttpResponse {
    let work = async {
        if node.is_handed_over() {
            return event_stream().body(come_back());
        }
        match begin(&request, &node, body).await {
            Ok(events) => {
                let mut answer = event_stream().streaming(events);
                plain::without_chunking(&request, &mut answer);
                answer
            }
            Err(answer) => *answer,
        }
    };
    cors::with_cors(&request, &node, &[Method::GET, Method::POST], work).await
}

fn event_stream() -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    for header in STREAM_HEADERS {
        answer.insert_header(header);
    }
    answer
}

/// A stream that is over at once: the browser comes back from that and keeps the id that it has.
/// From a refusal it would never come back (HTML, 9.2.3).
fn come_back() -> BytesMut {
    let retry = HANDED_OVER_RETRY_SPREAD_MS * SessionId::random().fraction();
    over(retry as u64, &Close::RESTART)
}

async fn begin(
    request: &HttpRequest,
    node: &Arc<Node>,
    body: web::Payload,
) -> Result<Events, plain::ErrorResponse> {
    let query = plain::query(request, node, body).await?;
    let kind = TransportKind::PlainSse;
    let params = plain::prepare(request, node, &query, "/sse", kind).await?;
    let shard = request::shard_of(request)
        .map_err(|refusal| Box::new(request::refuse(request, node, &refusal)))?;
    let requests = params.admitted.granted.iter();
    let channels: Vec<ChannelName> = requests.map(|request| request.channel.clone()).collect();
    let retry = RETRY_MS + RETRY_SPREAD_MS * params.connect_info.id.fraction();
    let mut handle = stream::start(params, shard, node);
    let recovered = handle.recovered().await;
    let recovered = recovered.map_err(|_| plain::unrecovered(handle.connection().ending()))?;
    Ok(Events::new(
        handle,
        &channels,
        recovered,
        retry as u64,
        query.envelope,
    ))
}

/// The body of `/sse`: events as they come.
struct Events {
    handle: SessionHandle,
    cursor: StreamCursor,
    envelope: bool,
    head: Option<Bytes>,
    missed: Box<dyn Iterator<Item = MissedPublication>>,
}

impl Events {
    fn new(
        handle: SessionHandle,
        channels: &[ChannelName],
        recovered: Vec<RecoveredChannel>,
        retry_ms: u64,
        envelope: bool,
    ) -> Self {
        let cursor = StreamCursor::before(channels, &recovered);
        let mut head = BytesMut::from(format!("retry: {retry_ms}\nevent: fanfare\n").as_bytes());
        event(
            &mut head,
            Some(&cursor.since()),
            &cursor.greeting(&recovered),
        );
        Self {
            handle,
            cursor,
            envelope,
            head: Some(head.freeze()),
            missed: Box::new(cursor::missed(recovered)),
        }
    }

    fn put_missed(&mut self, chunk: &mut BytesMut) {
        while chunk.len() < CHUNK_BYTES {
            let Some(missed) = self.missed.next() else {
                return;
            };
            let MissedPublication {
                channel,
                position,
                item,
            } = missed;
            self.cursor.advance(&channel, position);
            let data = cursor::event_data(&channel, position, &item, self.envelope);
            let before = chunk.len();
            event(chunk, Some(&self.cursor.since()), &data);
            let connection = self.handle.connection();
            connection.count_brought(1, chunk.len() - before);
        }
    }

    fn put(&mut self, frame: &Frame, chunk: &mut BytesMut) {
        match frame {
            Frame::Shared(shared) => {
                for publication in shared.publications() {
                    self.put_publication(publication, chunk);
                }
            }
            Frame::Own {
                kind: FrameKind::Close,
                ..
            } => {
                if let Some(Ending::ByServer(close)) = self.handle.connection().ending() {
                    close_event(chunk, &close);
                }
            }
            // A comment line.
            Frame::Own { bytes, .. } => chunk.extend_from_slice(bytes),
        }
    }

    fn put_publication(&mut self, publication: &Publication, chunk: &mut BytesMut) {
        let Some(item) = publication.item() else {
            return;
        };
        let channel = publication.channel();
        self.cursor.advance(channel, publication.position());
        // A message that was relayed into several channels is one event; the others move the
        // position on, for an id without data is noted by the client and not shown (HTML, 9.2.6).
        let mut group = publication.group().into_iter().flatten();
        let first = group.find(|name| self.cursor.has(name));
        if !self.envelope && first.is_some_and(|first| **first != *channel) {
            chunk.extend_from_slice(format!("id: {}\n\n", self.cursor.since()).as_bytes());
            return;
        }
        let id = self.cursor.has(channel).then(|| self.cursor.since());
        if self.envelope {
            event(
                chunk,
                id.as_deref(),
                self.handle.connection().encoded(publication),
            );
        } else {
            event(chunk, id.as_deref(), &cursor::plain_data(item));
        }
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(head) = this.head.take() {
            return Poll::Ready(Some(Ok(head)));
        }
        let mut chunk = BytesMut::new();
        this.put_missed(&mut chunk);
        let connection = this.handle.connection().clone();
        let chunk = poll_chunk(&connection, cx, chunk, |frame, chunk| {
            this.put(frame, chunk);
        });
        chunk.map(|chunk| chunk.map(Ok))
    }
}
