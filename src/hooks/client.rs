//! [`HookClient`]: asks the backend, one call for one question.
//!
//! Owned by the node, shared by an `Arc`. Here are the questions; how a call goes out is in [`super::call`], with its
//! bounds. It must not decide anything: what a failure means is its caller's to say.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::HeaderName;

use super::{
    Answer, ConnectAnswer, HeaderList, HookContext, HookSnapshot, Kind, PublishAnswer,
    RefreshAnswer, Signer, SubscribeAnswer,
    call::{Outgoing, Target},
    context::header_text,
    gate::Gate,
    http::{HookSetupError, HttpClient, Reply, endpoint, shown},
    log_throttle::LogThrottle,
    message::{self, MessagePayload},
    request::Request,
    stats::HookStats,
};
use crate::config::{Hook, Hooks};

/// See the module.
#[derive(Debug)]
pub struct HookClient {
    pub(super) http: HttpClient,
    pub(super) targets: [Option<Target>; Kind::ALL.len()],
    pub(super) headers: HeaderList,
    pub(super) signer: Option<Signer>,
    /// For calls that a client can make as often as it likes, and for those that it makes once a session or channel: so that no flood of
    /// the first keeps anybody from connecting.
    pub(super) gates: [Gate; 2],
    pub(super) stats: HookStats,
}

impl HookClient {
    /// A client for the hooks that are set.
    ///
    /// # Errors
    /// When an address is none, or TLS cannot be set up.
    pub fn new(settings: &Hooks) -> Result<Arc<Self>, HookSetupError> {
        let mut targets = [const { None }; Kind::ALL.len()];
        for &kind in Kind::ALL {
            if let Some(hook) = hook(settings, kind) {
                targets[kind as usize] = Some(Target {
                    url: endpoint(&format!("hooks.{}", kind.word()), &hook.url)?,
                    shown: shown(&hook.url),
                    timeout: hook.timeout,
                    log: LogThrottle::default(),
                });
            }
        }
        Ok(Arc::new(Self {
            http: HttpClient::new()?,
            targets,
            headers: HeaderList::new(&settings.headers),
            signer: settings.secret.as_ref().map(Signer::new),
            gates: [(); 2].map(|()| Gate::new(settings.concurrency, settings.queue)),
            stats: HookStats::default(),
        }))
    }

    /// Whether this hook is set.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.targets[kind as usize].is_some()
    }

    /// Whether a header of the handshake goes along; name in any case.
    #[must_use]
    pub fn passes(&self, header_name: &str) -> bool {
        self.headers.passes(header_name)
    }

    /// The pool, for others who ask backends.
    #[must_use]
    pub fn http(&self) -> HttpClient {
        self.http.clone()
    }

    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> HookSnapshot {
        let waiting = self.gates.iter().map(Gate::waiting).sum();
        self.stats.snapshot(waiting)
    }

    /// Who is this client, and may it connect?
    ///
    /// # Errors
    /// [`super::HookFailure`], as for all hooks.
    pub async fn connect(
        &self,
        hook_context: &HookContext,
        data: Bytes,
        name: &str,
        version: &str,
        channels: &[String],
    ) -> Answer<ConnectAnswer> {
        let request = Request {
            name,
            version,
            channels,
            ..Request::newcomer(hook_context)
        };
        self.ask(Kind::Connect, hook_context, &request.with_data(&data))
            .await
    }

    /// May this session go on?
    ///
    /// # Errors
    /// [`HookFailure`].
    pub async fn refresh(&self, hook_context: &HookContext) -> Answer<RefreshAnswer> {
        self.ask(Kind::Refresh, hook_context, &Request::of(hook_context))
            .await
    }

    /// May this client subscribe?
    ///
    /// # Errors
    /// [`super::HookFailure`].
    pub async fn subscribe(
        &self,
        hook_context: &HookContext,
        channel: &str,
        token: &str,
        data: Bytes,
    ) -> Answer<SubscribeAnswer> {
        let request = Request {
            channel: Some(channel),
            token,
            ..Request::of(hook_context)
        };
        self.ask(Kind::Subscribe, hook_context, &request.with_data(&data))
            .await
    }

    /// May this subscription go on?
    ///
    /// # Errors
    /// [`HookFailure`].
    pub async fn sub_refresh(
        &self,
        hook_context: &HookContext,
        channel: &str,
    ) -> Answer<RefreshAnswer> {
        let request = Request {
            channel: Some(channel),
            ..Request::of(hook_context)
        };
        self.ask(Kind::SubRefresh, hook_context, &request).await
    }

    /// May this client publish, and what?
    ///
    /// # Errors
    /// [`super::HookFailure`].
    pub async fn publish(
        &self,
        hook_context: &HookContext,
        channel: &str,
        data: Bytes,
    ) -> Answer<PublishAnswer> {
        let request = Request {
            channel: Some(channel),
            ..Request::of(hook_context)
        };
        self.ask(Kind::Publish, hook_context, &request.with_data(&data))
            .await
    }

    /// Answers a client's call.
    ///
    /// # Errors
    /// [`HookFailure`].
    pub async fn rpc(
        &self,
        hook_context: &HookContext,
        method: &str,
        data: Bytes,
    ) -> Answer<Bytes> {
        let request = Request {
            method: Some(method),
            ..Request::of(hook_context)
        };
        self.ask(Kind::Rpc, hook_context, &request.with_data(&data))
            .await
    }

    /// Takes a message of a raw endpoint to the backend; what comes back is for its sender, in order.
    ///
    /// # Errors
    /// [`super::HookFailure::Unavailable`].
    pub async fn message(
        &self,
        hook_context: &HookContext,
        path: &str,
        payload: MessagePayload,
    ) -> Answer<Vec<MessagePayload>> {
        let about = [
            ("x-fanfare-client", hook_context.client.as_str()),
            ("x-fanfare-user", &hook_context.user),
            ("x-fanfare-path", path),
            ("x-fanfare-transport", hook_context.transport),
        ];
        let mut headers: Vec<_> = self.headers.pick(hook_context).collect();
        headers.extend(
            about.into_iter().filter_map(|(name, text)| {
                Some((HeaderName::from_static(name), header_text(text)?))
            }),
        );
        let outgoing = Outgoing {
            content_type: message::content_type(&payload),
            body: message::body(payload),
            headers,
        };
        let is_answer = Reply::is_success;
        self.call(Kind::Message, outgoing, is_answer, message::messages)
            .await
    }
}

fn hook(settings: &Hooks, kind: Kind) -> Option<&Hook> {
    match kind {
        Kind::Connect => &settings.connect,
        Kind::Refresh => &settings.refresh,
        Kind::Subscribe => &settings.subscribe,
        Kind::SubRefresh => &settings.sub_refresh,
        Kind::Publish => &settings.publish,
        Kind::Rpc => &settings.rpc,
        Kind::Message => &settings.message,
        Kind::Events => &settings.events,
    }
    .as_ref()
}
