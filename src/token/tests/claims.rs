//! What tokens claim, in every form that backends write it.

use super::*;
use crate::subscription::{ServerSubscription, SubscriptionOverrides};

fn connection(claims: &str) -> Result<ConnectionClaims, TokenError> {
    let signer = Signer::hmac(SECRET);
    connect(
        &with_secret(SECRET),
        &signer.sign(Algorithm::HS256, json!({}), claims),
    )
}

fn subscription(claims: &str) -> Result<SubscriptionClaims, TokenError> {
    let signer = Signer::hmac(SECRET);
    subscribe(
        &with_secret(SECRET),
        &signer.sign(Algorithm::HS256, json!({}), claims),
    )
}

#[test]
fn a_connection_token_says_everything() {
    let read = connection(
        r#"{"sub":"42","exp":1700000100,"iat":1699999999.9,"jti":"t1","info":{"b" : 1,"a":"\n"},
           "meta":[1e400],"channels":["news"],"expire_at":1700000050,"unknown":{"x":[]},
           "subs":{"b":{"b64info":"aGk=","data":{"k":1.0},
                   "override":{"presence":{"value":true},"join_leave":{"value":false}}},
                   "a":{"info":7,"b64data":"aGk"},"c":{},"d":null}}"#,
    )
    .unwrap();
    assert_eq!(read.user, "42");
    assert_eq!(read.token_exp, Some(1_700_000_100));
    assert_eq!(read.expire_at, Some(1_700_000_050));
    assert_eq!(read.issued_at, Some(1_699_999_999));
    assert_eq!(read.id.as_deref(), Some("t1"));
    // As it stands: neither the order of names nor numbers beyond a double are touched.
    assert_eq!(read.info, r#"{"b" : 1,"a":"\n"}"#);
    assert_eq!(read.meta, "[1e400]");
    assert_eq!(read.channels, ["news"]);
    let names: Vec<&str> = read.subs.iter().map(|sub| sub.channel.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert_eq!(
        (read.subs[0].info.as_ref(), read.subs[0].data.as_ref()),
        (&b"7"[..], &b"hi"[..])
    );
    assert_eq!(
        read.subs[1],
        ServerSubscription {
            info: Bytes::from_static(b"hi"),
            data: Bytes::from_static(b"{\"k\":1.0}"),
            overrides: SubscriptionOverrides {
                presence: Some(true),
                join_leave: Some(false),
                ..SubscriptionOverrides::default()
            },
            ..ServerSubscription::to("b".to_string())
        }
    );
    assert_eq!(read.subs[2], ServerSubscription::to("c".to_string()));
}

#[test]
fn a_token_without_claims_is_anonymous_and_never_ends() {
    for claims in [
        "{}",
        r#"{"sub":"","exp":null,"info":null,"subs":null,"channels":null,"channel":null}"#,
    ] {
        let read = connection(claims).unwrap();
        assert_eq!(read.user, "");
        assert_eq!((read.expire_at, read.token_exp), (None, None));
        assert!(read.info.is_empty() && read.channels.is_empty() && read.subs.is_empty());
    }
}

#[test]
fn a_subscription_token_says_everything() {
    let read = subscription(
        r#"{"sub":"42","channel":"news","client":"c1","exp":1700000100,"expire_at":0,"iat":1,
           "jti":"s1","b64info":"e30",
           "info":"left out","override":{"force_recovery":{"value":true},
           "force_positioning":{"value":true},
           "force_push_join_leave":{"value":true},"presence":null}}"#,
    )
    .unwrap();
    assert_eq!(
        read,
        SubscriptionClaims {
            user: "42".to_string(),
            channel: "news".to_string(),
            client: Some("c1".to_string()),
            expire_at: None,
            token_exp: Some(1_700_000_100),
            issued_at: Some(1),
            id: Some("s1".to_string()),
            info: Bytes::from_static(b"{}"),
            overrides: SubscriptionOverrides {
                force_recovery: Some(true),
                force_positioning: Some(true),
                force_push_join_leave: Some(true),
                ..SubscriptionOverrides::default()
            },
        }
    );
    assert_eq!(
        subscription(r#"{"channel":"a","client":""}"#)
            .unwrap()
            .client,
        None
    );
}

#[test]
fn one_kind_of_token_is_not_the_other() {
    // A subscription token in place of a connection token would open sessions that nobody granted.
    let error = why(connection(r#"{"sub":"42","channel":"news"}"#));
    assert!(error.contains("subscription token"), "{error}");
    for claims in [r#"{"sub":"42"}"#, r#"{"sub":"42","channel":""}"#] {
        let error = why(subscription(claims));
        assert!(error.contains("channel is missing"), "{error}");
    }
}

#[test]
fn a_token_ends_at_its_second() {
    let settings = with_secret(SECRET);
    let tokens = Tokens::new(&settings).unwrap();
    let signer = Signer::hmac(SECRET);
    let outcome = |claims: &str, seconds: f64| {
        let token = signer.sign(Algorithm::HS256, json!({}), claims);
        let now = UNIX_EPOCH + Duration::from_secs_f64(seconds);
        ready(tokens.connection(&token, now)).map(|read| read.expire_at)
    };
    assert_eq!(outcome(r#"{"exp":1000}"#, 999.9), Ok(Some(1000)));
    assert_eq!(outcome(r#"{"exp":1000}"#, 1000.0), Err(TokenError::Expired));
    assert_eq!(outcome(r#"{"exp":1000}"#, 2000.0), Err(TokenError::Expired));
    assert_eq!(outcome(r#"{"exp":1000.5}"#, 1000.4), Ok(Some(1001)));
    assert_eq!(
        outcome(r#"{"exp":1000.5}"#, 1000.5),
        Err(TokenError::Expired)
    );
    assert_eq!(outcome(r#"{"exp":1e3}"#, 999.0), Ok(Some(1000)));
    assert_eq!(outcome(r#"{"exp":0}"#, 1.0), Err(TokenError::Expired));
    // The session's end apart from the token's.
    assert_eq!(outcome(r#"{"exp":1000,"expire_at":0}"#, 999.0), Ok(None));
    assert_eq!(outcome(r#"{"expire_at":5000}"#, 999.0), Ok(Some(5000)));
    assert_eq!(
        outcome(r#"{"exp":1000,"expire_at":5000}"#, 1000.0),
        Err(TokenError::Expired)
    );
    assert_eq!(
        outcome(r#"{"exp":5000,"expire_at":1000}"#, 1000.0),
        Err(TokenError::Expired)
    );
    assert!(outcome(r#"{"nbf":1000}"#, 1000.0).is_ok());
    assert_eq!(outcome(r#"{"nbf":1000}"#, 999.9), Err(TokenError::NotYet));
    let wrong_too = outcome(r#"{"nbf":1000,"sub":7}"#, 999.9);
    assert!(why(wrong_too).contains("sub"), "wrong as well as early");
    // When it was issued says nothing about whether it counts.
    assert!(outcome(r#"{"iat":5000}"#, 999.0).is_ok());
}

#[test]
fn leeway_widens_a_tokens_times() {
    let settings = TokenSettings {
        leeway: Duration::from_secs(10),
        ..with_secret(SECRET)
    };
    let tokens = Tokens::new(&settings).unwrap();
    let token = Signer::hmac(SECRET).token(&json!({"exp": 1000, "nbf": 500}));
    let outcome = |now| ready(tokens.connection(&token, at(now)));
    assert_eq!(outcome(489), Err(TokenError::NotYet));
    assert!(outcome(490).is_ok());
    let late = outcome(1009).unwrap();
    assert_eq!((late.token_exp, late.expire_at), (Some(1000), Some(1010)));
    assert_eq!(outcome(1010), Err(TokenError::Expired));
}

#[test]
fn wrong_claims_are_named_and_not_repeated() {
    for (claims, name) in [
        (r#"{"sub":42}"#, "sub"),
        (r#"{"sub":["secret-value"]}"#, "sub"),
        (r#"{"exp":"1700000100"}"#, "exp"),
        (r#"{"exp":true}"#, "exp"),
        (r#"{"exp":-1}"#, "exp"),
        (r#"{"exp":1e400}"#, "exp"),
        (r#"{"exp":1700000000000}"#, "exp"),
        (r#"{"exp":99999999999999999999999999}"#, "exp"),
        (r#"{"nbf":{}}"#, "nbf"),
        (r#"{"iat":[]}"#, "iat"),
        (r#"{"jti":1}"#, "jti"),
        (r#"{"expire_at":-1}"#, "expire_at"),
        (r#"{"channels":"secret-value"}"#, "channels"),
        (r#"{"channels":[1]}"#, "channels"),
        (r#"{"subs":["a"]}"#, "subs"),
        (r#"{"subs":{"a":{"override":{"presence":true}}}}"#, "subs"),
        (r#"{"subs":{"a":{"b64info":"!"}}}"#, "b64info"),
        (r#"{"b64info":"secret-value!"}"#, "b64info"),
        (r#"{"b64info":7}"#, "b64info"),
        (r#"{"sub":"a","sub":"b"}"#, "each name once"),
        ("[]", "no JSON object"),
        ("7", "no JSON object"),
        ("", "no JSON object"),
        (r#"{"info":{]}"#, "no JSON object"),
    ] {
        let error = why(connection(claims));
        assert!(error.contains(name), "{claims}: {error}");
        assert!(!error.contains("secret-value"), "{error}");
    }
    let deep = format!(r#"{{"info":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert_eq!(connection(&deep).unwrap().info.len(), 10_000);
    let deep = format!(r#"{{"subs":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert!(connection(&deep).is_err());
}

#[test]
fn line_breaks_between_tokens_of_json_are_removed() {
    let read = connection("{\"info\":{\r\n \"a\": \"x\\ny\"\n},\"meta\":[\n]}").unwrap();
    assert_eq!(read.info, r#"{ "a": "x\ny"}"#);
    assert_eq!(read.meta, "[]");
}

#[test]
fn audience_and_issuer_must_be_those_of_the_settings() {
    let settings = TokenSettings {
        audience: Some("app".to_string()),
        issuer: Some("shop".to_string()),
        ..with_secret(SECRET)
    };
    let signer = Signer::hmac(SECRET);
    for claims in [
        json!({"aud": "app", "iss": "shop"}),
        json!({"aud": ["other", "app"], "iss": "shop"}),
    ] {
        assert!(connect(&settings, &signer.token(&claims)).is_ok());
    }
    for (claims, name) in [
        (json!({"iss": "shop"}), "aud"),
        (json!({"aud": "apps", "iss": "shop"}), "aud"),
        (json!({"aud": [], "iss": "shop"}), "aud"),
        (json!({"aud": {"app": 1}, "iss": "shop"}), "aud"),
        (json!({"aud": "app"}), "iss"),
        (json!({"aud": "app", "iss": ["shop"]}), "iss"),
        // Wrong as well as expired is wrong: another token would not help.
        (json!({"aud": "x", "iss": "shop", "exp": 1}), "aud"),
    ] {
        let error = why(connect(&settings, &signer.token(&claims)));
        assert!(error.contains(name), "{claims}: {error}");
    }
    // Unasked, they may be anything.
    let token = signer.token(&json!({"aud": {"x": 1}, "iss": 7}));
    assert!(connect(&with_secret(SECRET), &token).is_ok());
}
