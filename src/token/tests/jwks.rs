//! Keys from a URL: when they are fetched, which of them count, and what a bad endpoint does. The
//! clock is passed in.

use tokio::{net::TcpListener, sync::Semaphore};

use super::{
    super::jwks::{KEYS_MAX, REFRESH, RETRY, STALE},
    endpoint::{Endpoint, document},
    *,
};

fn later(time: Duration) -> SystemTime {
    now() + time
}

async fn user(tokens: &Tokens, token: &str, now: SystemTime) -> Result<String, TokenError> {
    tokens.connection(token, now).await.map(|read| read.user)
}

fn claims() -> Value {
    json!({"sub": "42"})
}

#[tokio::test]
async fn every_family_comes_from_a_jwks() {
    let signers = public_signers();
    let keys = signers
        .iter()
        .enumerate()
        .map(|(i, it)| it.jwk(&format!("k{i}")));
    let endpoint = Endpoint::start(keys.collect()).await;
    let tokens = endpoint.tokens();
    assert!(tokens.is_configured());
    for (index, signer) in signers.iter().enumerate() {
        for algorithm in signer.algorithms {
            let header = json!({"kid": format!("k{index}")});
            let token = signer.sign(*algorithm, header, &claims().to_string());
            assert_eq!(
                user(&tokens, &token, now()).await.as_deref(),
                Ok("42"),
                "{algorithm:?}"
            );
        }
        // The key of another id is not tried.
        let other = signer.token_of(&format!("k{}", (index + 1) % signers.len()), &claims());
        let error = why(user(&tokens, &other, now()).await);
        assert!(error.contains("no key for it"), "{error}");
    }
    assert_eq!(endpoint.requests(), 1);
}

#[tokio::test]
async fn a_token_without_an_id_may_be_of_any_key() {
    let signer = &public_signers()[3];
    let mut jwk = signer.jwk("x");
    jwk.as_object_mut().unwrap().remove("kid");
    let endpoint = Endpoint::start(json!([Signer::ed().jwk("a"), jwk])).await;
    let tokens = endpoint.tokens();
    assert!(user(&tokens, &signer.token(&claims()), now()).await.is_ok());
    assert!(
        user(&tokens, &Signer::ed().token(&claims()), now())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_unknown_id_is_asked_for_at_most_every_10_s() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let endpoint = Endpoint::start(json!([old.jwk("old")])).await;
    let tokens = endpoint.tokens();
    let (old_token, new_token) = (
        old.token_of("old", &claims()),
        new.token_of("new", &claims()),
    );
    assert!(user(&tokens, &old_token, now()).await.is_ok());
    endpoint
        .say("200 OK", document(json!([old.jwk("old"), new.jwk("new")])))
        .await;
    let early = later(RETRY - Duration::from_millis(1));
    for _ in 0..5 {
        let error = why(user(&tokens, &new_token, early).await);
        assert!(error.contains("no key for it"), "{error}");
        assert!(user(&tokens, &old_token, early).await.is_ok());
    }
    assert_eq!(endpoint.requests(), 1);
    assert!(user(&tokens, &new_token, later(RETRY)).await.is_ok());
    assert!(user(&tokens, &old_token, later(RETRY)).await.is_ok());
    assert_eq!(endpoint.requests(), 2);
}

#[tokio::test]
async fn concurrent_callers_share_one_fetch() {
    let signer = Signer::ed();
    let endpoint = Endpoint::start(json!([signer.jwk("k")])).await;
    endpoint.gate.forget_permits(Semaphore::MAX_PERMITS);
    let tokens = Arc::new(endpoint.tokens());
    let token = signer.token_of("k", &claims());
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (tokens, token) = (tokens.clone(), token.clone());
            tokio::spawn(async move { user(&tokens, &token, now()).await })
        })
        .collect();
    endpoint.has_seen(1).await;
    endpoint.gate.add_permits(100);
    for hook_context in callers {
        assert_eq!(hook_context.await.unwrap().as_deref(), Ok("42"));
    }
    assert_eq!(endpoint.requests(), 1);
}

/// A caller that began the fetch and went away took the fetch along; whoever came in the next 10 s
/// was refused.
#[tokio::test]
async fn a_caller_that_goes_away_takes_no_fetch_along() {
    let signer = Signer::ed();
    let endpoint = Endpoint::start(json!([signer.jwk("k")])).await;
    endpoint.gate.forget_permits(Semaphore::MAX_PERMITS);
    let tokens = Arc::new(endpoint.tokens());
    let token = signer.token_of("k", &claims());
    let first = {
        let (tokens, token) = (tokens.clone(), token.clone());
        tokio::spawn(async move { user(&tokens, &token, now()).await })
    };
    endpoint.has_seen(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    endpoint.gate.add_permits(1);
    assert!(user(&tokens, &token, now()).await.is_ok());
    assert_eq!(endpoint.requests(), 1);
}

#[tokio::test]
async fn a_failing_endpoint_leaves_known_keys_alone() {
    let signer = Signer::ed();
    let endpoint = Endpoint::start(json!([signer.jwk("k")])).await;
    let tokens = endpoint.tokens();
    let (known, unknown) = (
        signer.token_of("k", &claims()),
        signer.token_of("x", &claims()),
    );
    assert!(user(&tokens, &known, now()).await.is_ok());
    endpoint.say("500 Oops", String::new()).await;
    let error = why(user(&tokens, &unknown, later(RETRY)).await);
    assert!(error.contains("answered 500"), "{error}");
    // As old as it may get.
    for age in [RETRY, REFRESH, STALE, 10 * STALE] {
        assert!(user(&tokens, &known, later(age)).await.is_ok(), "{age:?}");
    }
}

#[tokio::test]
async fn a_bad_endpoint_is_told() {
    let signer = Signer::ed();
    let elsewhere = Endpoint::start(json!([signer.jwk("k")])).await;
    let endpoint = Endpoint::start(json!([])).await;
    let redirect = format!("302 Found\r\nLocation: {}", elsewhere.url);
    let large = format!("{}{}", document(json!([])), " ".repeat(1 << 20));
    let token = signer.token_of("k", &claims());
    for (status, body, expected) in [
        ("404 Not Found", String::new(), "answered 404"),
        (redirect.as_str(), String::new(), "answered 302"),
        ("200 OK", "<html>".to_string(), "no JWKS document"),
        ("200 OK", "[]".to_string(), "no JWKS document"),
        ("200 OK", String::new(), "no JWKS document"),
        ("200 OK", large, "more than 1048576"),
    ] {
        endpoint.say(status, body).await;
        let error = why(user(&endpoint.tokens(), &token, now()).await);
        assert!(error.contains(expected), "{status}: {error}");
    }
    assert_eq!(elsewhere.requests(), 0);
    // Nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let settings = TokenSettings {
        jwks_url: Some(format!("http://user:hidden@{address}/?key=hidden")),
        ..TokenSettings::default()
    };
    let tokens = Tokens::new(&settings).unwrap();
    let error = why(user(&tokens, &token, now()).await);
    assert!(error.contains("could not be fetched"), "{error}");
    assert!(!error.contains("hidden"), "{error}");
}

#[tokio::test]
async fn keys_are_refreshed_in_the_background_and_withdrawn() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let endpoint = Endpoint::start(json!([old.jwk("old")])).await;
    let tokens = endpoint.tokens();
    let old_token = old.token_of("old", &claims());
    assert!(user(&tokens, &old_token, now()).await.is_ok());
    assert!(
        user(&tokens, &old_token, later(REFRESH - RETRY))
            .await
            .is_ok()
    );
    assert_eq!(endpoint.requests(), 1);
    endpoint
        .say("200 OK", document(json!([new.jwk("new")])))
        .await;
    // The fetch is held back, and the token does not wait for it.
    endpoint.gate.forget_permits(Semaphore::MAX_PERMITS);
    assert!(user(&tokens, &old_token, later(REFRESH)).await.is_ok());
    endpoint.has_seen(2).await;
    endpoint.gate.add_permits(10);
    let new_token = new.token_of("new", &claims());
    assert!(user(&tokens, &new_token, later(REFRESH)).await.is_ok());
    assert!(user(&tokens, &old_token, later(REFRESH)).await.is_err());
    assert_eq!(endpoint.requests(), 2);
}

#[tokio::test]
async fn very_old_keys_are_fetched_first() {
    let signer = Signer::ed();
    let endpoint = Endpoint::start(json!([signer.jwk("k")])).await;
    let tokens = endpoint.tokens();
    let token = signer.token_of("k", &claims());
    assert!(user(&tokens, &token, now()).await.is_ok());
    endpoint.say("200 OK", document(json!([]))).await;
    let error = why(user(&tokens, &token, later(STALE)).await);
    assert!(error.contains("no key for it"), "{error}");
}

#[tokio::test]
async fn only_public_signing_keys_are_taken() {
    let signers = public_signers();
    let change = |signer: &Signer, name: &str, value: Value| {
        let mut jwk = signer.jwk("k");
        jwk[name] = value;
        jwk
    };
    let (rsa, ec, ed) = (&signers[0], &signers[1], &signers[3]);
    let hmac = Signer::hmac(SECRET);
    for (signer, jwk) in [
        (&hmac, hmac.jwk("k")),
        (ed, change(ed, "use", json!("enc"))),
        (ed, change(ed, "key_ops", json!(["sign"]))),
        (ed, change(ed, "alg", json!("RS256"))),
        (ed, change(ed, "alg", json!("X"))),
        (ed, change(ed, "crv", json!("Ed448"))),
        (ed, change(ed, "x", json!("AAAA"))),
        (ed, change(ed, "x", json!("!"))),
        (ed, change(ed, "x", json!(null))),
        (ec, change(ec, "x", json!("AAAA"))),
        (ec, change(ec, "crv", json!("P-384"))),
        (ec, change(ec, "y", ec.jwk["x"].clone())),
        (rsa, change(rsa, "n", json!("AQAB"))),
        (rsa, change(rsa, "e", json!("Ag"))),
        (rsa, change(rsa, "e", json!(""))),
        // The algorithm that the key is for is another one of its family.
        (rsa, change(rsa, "alg", json!("PS512"))),
        (rsa, json!({"kty": "RSA", "kid": "k"})),
        (rsa, json!("k")),
    ] {
        let endpoint = Endpoint::start(json!([jwk])).await;
        let outcome = user(&endpoint.tokens(), &signer.token_of("k", &claims()), now()).await;
        let error = why(outcome);
        let is_left_out = error.contains("no key for it") || error.contains("name no key");
        assert!(is_left_out, "{jwk}: {error}");
    }
    for jwk in [
        change(ed, "use", json!("sig")),
        change(ed, "key_ops", json!(["verify"])),
        change(ed, "alg", json!("EdDSA")),
        change(ed, "alg", json!("Ed25519")),
        change(ed, "x5c", json!(["unread"])),
    ] {
        let endpoint = Endpoint::start(json!([jwk])).await;
        let outcome = user(&endpoint.tokens(), &ed.token_of("k", &claims()), now()).await;
        assert!(outcome.is_ok(), "{jwk}");
    }
}

#[tokio::test]
async fn more_keys_than_the_bound_are_left_out() {
    let signer = &public_signers()[3];
    let keys = (0..=KEYS_MAX).map(|index| signer.jwk(&index.to_string()));
    let endpoint = Endpoint::start(keys.collect()).await;
    let tokens = endpoint.tokens();
    let last = signer.token_of(&(KEYS_MAX - 1).to_string(), &claims());
    assert!(user(&tokens, &last, now()).await.is_ok());
    let beyond = signer.token_of(&KEYS_MAX.to_string(), &claims());
    assert!(user(&tokens, &beyond, now()).await.is_err());
}

#[tokio::test]
async fn keys_of_the_settings_need_no_fetch() {
    let signer = &public_signers()[3];
    let endpoint = Endpoint::start(json!([])).await;
    let settings = TokenSettings {
        jwks_url: Some(endpoint.url.clone()),
        hmac_secret: vec![Secret::new(SECRET)],
        ..with_key(signer)
    };
    let tokens = Tokens::new(&settings).unwrap();
    assert!(
        user(&tokens, &signer.token_of("k", &claims()), now())
            .await
            .is_ok()
    );
    let hmac = Signer::hmac(SECRET);
    assert!(user(&tokens, &hmac.token(&claims()), now()).await.is_ok());
    // Nor does a secret that is in no JWKS.
    let forged = Signer::hmac("another").token_of("k", &claims());
    assert!(user(&tokens, &forged, now()).await.is_err());
    assert_eq!(endpoint.requests(), 0);
}
