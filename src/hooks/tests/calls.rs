//! What a call sends, and what is read from its answer.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use serde_json::json;

use super::{
    AMPLE, alice,
    backend::{Backend, Does, json as answer},
    hook_context, hooks_at, user_context,
};
use crate::{
    config::Secret,
    hooks::{
        ConnectHookRequest, HookClient, HookContext, HookFailure, UserContext, signer::Signer,
        stats::CallOutcome,
    },
    identity::Identity,
    protocol::ReplyError,
    publication::Payload,
};

#[tokio::test]
async fn each_hook_asks_in_its_own_shape() {
    let backend = Backend::start(|_| answer(r#"{"result":{}}"#)).await;
    let client = HookClient::new(&hooks_at(&backend.url("/h?k=1"), AMPLE)).unwrap();
    let user_context = UserContext::of(
        &Identity {
            meta: Bytes::from_static(b"{\"m\":1}"),
            ..alice()
        },
        hook_context(),
    );
    let data = Bytes::from_static(b"[1]");
    let channels = ["a".to_string()];
    client
        .connect(ConnectHookRequest {
            context: &hook_context(),
            data: data.clone(),
            name: "js",
            version: "2",
            channels: &channels,
        })
        .await
        .unwrap();
    client.refresh(&user_context).await.unwrap();
    client
        .subscribe(&user_context, "ch", "tok", data.clone())
        .await
        .unwrap();
    client.sub_refresh(&user_context, "ch").await.unwrap();
    client
        .publish(&user_context, "ch", data.clone())
        .await
        .unwrap();
    client.rpc(&user_context, "add", data).await.unwrap();

    let with = |fields: serde_json::Value| {
        let mut all = json!({
            "client": "c1", "transport": "websocket", "protocol": "json", "encoding": "json"
        });
        let object = all.as_object_mut().unwrap();
        object.extend(fields.as_object().unwrap().clone());
        all
    };
    let meta = json!({"m": 1});
    let expected = [
        with(json!({"name": "js", "version": "2", "channels": ["a"], "data": [1]})),
        with(json!({"user": "alice", "meta": meta})),
        with(json!({"user": "alice", "channel": "ch", "token": "tok", "meta": meta, "data": [1]})),
        with(json!({"user": "alice", "channel": "ch", "meta": meta})),
        with(json!({"user": "alice", "channel": "ch", "meta": meta, "data": [1]})),
        with(json!({"user": "alice", "method": "add", "meta": meta, "data": [1]})),
    ];
    let asked = backend.asked();
    assert_eq!(asked.len(), expected.len());
    for (asked, expected) in asked.iter().zip(expected) {
        assert_eq!(asked.line, "POST /h?k=1 HTTP/1.1");
        assert_eq!(asked.header("content-type"), Some("application/json"));
        assert_eq!(asked.json(), expected);
    }
    // Not always one: a call may begin before the last one's connection is back in the pool.
    let connections = backend.connections.load(Relaxed);
    assert!(
        connections < 6,
        "{connections} connections for 6 calls in a row"
    );
}

#[tokio::test]
async fn errors_and_disconnects_of_the_backend_reach_the_caller() {
    let backend = Backend::start(|asked| {
        answer(match asked.json()["method"].as_str() {
            Some("deny") => r#"{"error":{"code":1000,"message":"denied"}}"#,
            _ => r#"{"disconnect":{"code":4001,"reason":"out"}}"#,
        })
    })
    .await;
    let client = HookClient::new(&hooks_at(&backend.url("/"), AMPLE)).unwrap();
    let denied = client.rpc(&user_context(), "deny", Bytes::new()).await;
    let refusal = ReplyError {
        code: 1000,
        message: "denied".into(),
        temporary: false,
    };
    assert_eq!(denied, Err(HookFailure::Error(refusal)));
    let out = client.rpc(&user_context(), "", Bytes::new()).await;
    let expected = HookFailure::Disconnect {
        code: 4001,
        reason: "out".into(),
    };
    assert_eq!(out, Err(expected));
    let stats = client.stats();
    let rpc = stats.hooks.iter().find(|hook| hook.hook == "rpc").unwrap();
    assert_eq!(rpc.ended(CallOutcome::Error), 1);
    assert_eq!(rpc.ended(CallOutcome::Disconnect), 1);
    assert_eq!(rpc.in_flight, 0);
}

#[tokio::test]
async fn a_call_is_signed_over_its_time_and_the_bytes_that_arrive() {
    let backend = Backend::start(|_| answer(r#"{"result":{}}"#)).await;
    let secret = Secret::new("s3cret");
    let mut settings = hooks_at(&backend.url("/"), AMPLE);
    settings.secret = Some(secret.clone());
    let client = HookClient::new(&settings).unwrap();
    client.refresh(&user_context()).await.unwrap();
    let asked = &backend.asked()[0];
    let signature = asked.header("x-fanfare-signature").unwrap();
    let (time, _) = signature
        .strip_prefix("t=")
        .and_then(|rest| rest.split_once(','))
        .unwrap();
    let time: u64 = time.parse().unwrap();
    assert!(time.abs_diff(crate::unix_time::unix_now()) < 60);
    assert_eq!(signature, Signer::new(&secret).sign(time, &asked.body));
}

#[tokio::test]
async fn only_listed_headers_of_the_handshake_go_along() {
    let backend = Backend::start(|_| answer(r#"{"result":{}}"#)).await;
    let mut settings = hooks_at(&backend.url("/"), AMPLE);
    settings.headers = vec!["x-tenant".into(), "host".into(), "content-length".into()];
    let client = HookClient::new(&settings).unwrap();
    let headers = [
        ("x-tenant", "blue"),
        ("host", "evil.example"),
        ("content-length", "0"),
        ("cookie", "session=1"),
    ];
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_string()));
    let hook_context = HookContext {
        headers: headers.into(),
        ..hook_context()
    };
    let user_context = UserContext::of(&alice(), hook_context);
    assert!(client.passes("X-Tenant") && !client.passes("Cookie") && !client.passes("Host"));
    client.refresh(&user_context).await.unwrap();
    let asked = &backend.asked()[0];
    assert_eq!(asked.header("x-tenant"), Some("blue"));
    assert_eq!(
        asked.header("host"),
        Some(backend.address.to_string().as_str())
    );
    assert_eq!(asked.header("cookie"), None);
    assert_eq!(asked.json()["user"], "alice", "the body arrived whole");
    assert_eq!(
        asked.header("x-fanfare-signature"),
        None,
        "no secret, no signature"
    );
}

#[tokio::test]
async fn a_message_goes_up_as_it_is_and_what_comes_back_is_for_its_sender() {
    let backend = Backend::start(|asked| match asked.body.as_slice() {
        b"nothing" => Does::Answers("204 No Content", Vec::new()),
        b"two" => answer(r#"["a",{"b":1}]"#),
        body => Does::Answers(
            "200 OK\r\nContent-Type: application/octet-stream",
            body.to_vec(),
        ),
    })
    .await;
    let client = HookClient::new(&hooks_at(&backend.url("/m"), AMPLE)).unwrap();
    let hook_context = HookContext {
        transport: "raw",
        ..hook_context()
    };
    let zoe = Identity {
        user: "zoë".into(),
        ..Identity::anonymous()
    };
    let user_context = UserContext::of(&zoe, hook_context);
    let text = |text: &str| Payload::Text(text.into());
    let nothing = client.message(&user_context, "/ws", text("nothing")).await;
    assert_eq!(nothing, Ok(vec![]));
    let two = client.message(&user_context, "/ws", text("two")).await;
    assert_eq!(two, Ok(vec![text("a"), text(r#"{"b":1}"#)]));
    let bytes = Payload::Binary(Bytes::from_static(b"\0\xff"));
    let back = client.message(&user_context, "/ws", bytes.clone()).await;
    assert_eq!(back, Ok(vec![bytes]));

    let asked = backend.asked();
    let (first, last) = (&asked[0], &asked[2]);
    assert_eq!(
        first.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        last.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(first.header("x-fanfare-client"), Some("c1"));
    assert_eq!(first.header("x-fanfare-user"), Some("zo%C3%AB"));
    assert_eq!(first.header("x-fanfare-path"), Some("/ws"));
    assert_eq!(first.header("x-fanfare-transport"), Some("raw"));
}
