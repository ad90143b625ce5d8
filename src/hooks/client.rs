//! [`HookClient`]: asks the backend, one call for one question.
//!
//! Owned by the node, shared by an `Arc`. Here are the questions; how a call goes out is the
//! dispatcher's, with its bounds. It must not decide anything: what a failure means is its caller's
//! to say.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use reqwest::header::HeaderName;

use super::{
    answer::{ConnectAnswer, PublishAnswer, RefreshAnswer, SubscribeAnswer},
    context::{HeaderList, HookContext, UserContext, header_text},
    dispatcher::{Dispatcher, HookOverview, Outgoing},
    envelope::{self, FromResult},
    failure::HookResult,
    message_answer,
    request::{ConnectHookRequest, HookRequest},
    stats::{HookKind, HookSnapshot},
};
use crate::{
    config::Hooks,
    http_client::{HttpClient, HttpResponse, HttpSetupError},
    publication::Payload,
};

/// Asks the backend through the hooks that are set.
#[derive(Debug)]
pub(crate) struct HookClient {
    dispatcher: Dispatcher,
    headers: HeaderList,
}

impl HookClient {
    /// A client for the hooks that are set.
    ///
    /// # Errors
    /// When an address is none, or TLS cannot be set up.
    pub(crate) fn new(settings: &Hooks) -> Result<Arc<Self>, HttpSetupError> {
        Ok(Arc::new(Self {
            dispatcher: Dispatcher::new(settings)?,
            headers: HeaderList::new(&settings.headers),
        }))
    }

    /// Whether this hook is set.
    #[must_use]
    pub(crate) fn has(&self, kind: HookKind) -> bool {
        self.dispatcher.has(kind)
    }

    /// Whether a header of the handshake goes along; name in any case.
    #[must_use]
    pub(crate) fn passes(&self, header_name: &str) -> bool {
        self.headers.passes(header_name)
    }

    /// The pool of connections, for others who ask backends.
    #[must_use]
    pub(crate) fn http_client(&self) -> HttpClient {
        self.dispatcher.http_client()
    }

    /// The counts of all hooks now.
    #[must_use]
    pub(crate) fn stats(&self) -> HookSnapshot {
        self.dispatcher.stats()
    }

    /// The hooks that are set, with how they do.
    #[must_use]
    pub(crate) fn overview(&self) -> HookOverview {
        self.dispatcher.overview()
    }

    /// Posts a batch of events and tells the answer's status.
    pub(super) async fn post_events(&self, body: Bytes) -> Result<u16, Cow<'static, str>> {
        self.dispatcher.post_events(body).await
    }

    /// Who is this client, and may it connect?
    ///
    /// # Errors
    /// [`super::HookFailure`], as for all hooks.
    pub(crate) async fn connect(
        &self,
        connect_request: ConnectHookRequest<'_>,
    ) -> HookResult<ConnectAnswer> {
        let hook_context = connect_request.context;
        let request = HookRequest {
            name: connect_request.name,
            version: connect_request.version,
            channels: connect_request.channels,
            ..HookRequest::newcomer(hook_context)
        };
        let data = &connect_request.data;
        self.ask(HookKind::Connect, hook_context, request, data)
            .await
    }

    /// May this session go on?
    ///
    /// # Errors
    /// [`super::HookFailure`].
    pub(crate) async fn refresh(&self, user_context: &UserContext) -> HookResult<RefreshAnswer> {
        let request = HookRequest::of(user_context);
        self.ask(
            HookKind::Refresh,
            user_context.context(),
            request,
            &Bytes::new(),
        )
        .await
    }

    /// May this client subscribe?
    ///
    /// # Errors
    /// [`super::HookFailure`].
    pub(crate) async fn subscribe(
        &self,
        user_context: &UserContext,
        channel: &str,
        token: &str,
        data: Bytes,
    ) -> HookResult<SubscribeAnswer> {
        let request = HookRequest {
            channel: Some(channel),
            token,
            ..HookRequest::of(user_context)
        };
        self.ask(HookKind::Subscribe, user_context.context(), request, &data)
            .await
    }

    /// May this subscription go on?
    ///
    /// # Errors
    /// [`super::HookFailure`].
    pub(crate) async fn sub_refresh(
        &self,
        user_context: &UserContext,
        channel: &str,
    ) -> HookResult<RefreshAnswer> {
        let request = HookRequest {
            channel: Some(channel),
            ..HookRequest::of(user_context)
        };
        self.ask(
            HookKind::SubRefresh,
            user_context.context(),
            request,
            &Bytes::new(),
        )
        .await
    }

    /// May this client publish, and what?
    ///
    /// # Errors
    /// [`super::HookFailure`].
    pub(crate) async fn publish(
        &self,
        user_context: &UserContext,
        channel: &str,
        data: Bytes,
    ) -> HookResult<PublishAnswer> {
        let request = HookRequest {
            channel: Some(channel),
            ..HookRequest::of(user_context)
        };
        self.ask(HookKind::Publish, user_context.context(), request, &data)
            .await
    }

    /// Answers a client's call.
    ///
    /// # Errors
    /// [`super::HookFailure`].
    pub(crate) async fn rpc(
        &self,
        user_context: &UserContext,
        method: &str,
        data: Bytes,
    ) -> HookResult<Bytes> {
        let request = HookRequest {
            method: Some(method).filter(|method| !method.is_empty()),
            ..HookRequest::of(user_context)
        };
        self.ask(HookKind::Rpc, user_context.context(), request, &data)
            .await
    }

    /// Takes a message of a raw endpoint to the backend; what comes back is for its sender, in
    /// order.
    ///
    /// # Errors
    /// [`super::HookFailure::Unavailable`].
    pub(crate) async fn message(
        &self,
        user_context: &UserContext,
        path: &str,
        payload: Payload,
    ) -> HookResult<Vec<Payload>> {
        let context = user_context.context();
        let about = [
            ("x-fanfare-client", context.client.as_str()),
            ("x-fanfare-user", user_context.user()),
            ("x-fanfare-path", path),
            ("x-fanfare-transport", context.transport),
        ];
        let mut headers: Vec<_> = self.headers.pick(context).collect();
        headers.extend(
            about.into_iter().filter_map(|(name, text)| {
                Some((HeaderName::from_static(name), header_text(text)?))
            }),
        );
        let outgoing = Outgoing {
            content_type: message_answer::content_type(&payload),
            body: message_answer::body(payload),
            headers,
        };
        let is_answer = HttpResponse::is_success;
        self.dispatcher
            .call(
                HookKind::Message,
                outgoing,
                is_answer,
                message_answer::messages,
            )
            .await
    }

    /// Asks a hook whose request and answer are JSON, with the client's data; empty for none.
    async fn ask<T: FromResult>(
        &self,
        kind: HookKind,
        hook_context: &HookContext,
        request: HookRequest<'_>,
        data: &Bytes,
    ) -> HookResult<T> {
        let headers = self.headers.pick(hook_context).collect();
        let request = request.with_data(data, self.dispatcher.binary_encoding(kind));
        let outgoing = Outgoing::json(request.body(), headers);
        let is_answer = |response: &HttpResponse| response.status == 200;
        let read = |response: HttpResponse| envelope::read(&response.body);
        self.dispatcher.call(kind, outgoing, is_answer, read).await
    }
}
