//! The commands: a token that is made counts under the same settings, and an explanation says what
//! there is to know.

use super::{
    super::command::{TokenSpec, explain, make},
    *,
};

fn settings() -> TokenSettings {
    TokenSettings {
        audience: Some("app".to_string()),
        issuer: Some("shop".to_string()),
        ..with_secret(SECRET)
    }
}

fn explained(settings: &TokenSettings, token: &str) -> (String, bool) {
    let explanation = ready(explain(settings, token, now()));
    (explanation.text, explanation.is_valid)
}

#[track_caller]
fn says(settings: &TokenSettings, token: &str, is_valid: bool, parts: &[&str]) {
    let (text, valid) = explained(settings, token);
    assert_eq!(valid, is_valid, "{text}");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    assert!(!text.contains(SECRET), "{text}");
}

#[test]
fn a_connection_token_is_made() {
    let options = TokenSpec {
        user: "42".to_string(),
        ttl: Some(Duration::from_secs(60)),
        channels: vec!["a".to_string(), "b".to_string()],
        info: Some(r#"{"name":"x"}"#.to_string()),
        claims: vec![
            "jti=t1".to_string(),
            "meta={\"k\":1}".to_string(),
            "jti=t2".to_string(),
        ],
        ..TokenSpec::default()
    };
    let token = make(&settings(), &options, now()).unwrap();
    let read = connect(&settings(), &token).unwrap();
    assert_eq!(
        read,
        ConnectionClaims {
            user: "42".to_string(),
            expire_at: Some(NOW + 60),
            token_exp: Some(NOW + 60),
            issued_at: Some(NOW),
            id: Some("t2".to_string()),
            info: Bytes::from_static(b"{\"name\":\"x\"}"),
            meta: Bytes::from_static(b"{\"k\":1}"),
            channels: vec!["a".to_string(), "b".to_string()],
            subs: Vec::new(),
        }
    );
}

#[test]
fn a_subscription_token_is_made() {
    let options = TokenSpec {
        user: "42".to_string(),
        channel: Some("news".to_string()),
        claims: vec!["client=c1".to_string()],
        secret: Some(Secret::new("another")),
        ..TokenSpec::default()
    };
    let token = make(&settings(), &options, now()).unwrap();
    assert!(subscribe(&settings(), &token).is_err());
    let read = subscribe(&with_secret("another"), &token).unwrap();
    assert_eq!((read.channel.as_str(), read.expire_at), ("news", None));
    assert_eq!(read.client.as_deref(), Some("c1"));
}

#[test]
fn what_cannot_be_made_is_told() {
    let with = |options: TokenSpec| make(&settings(), &options, now()).unwrap_err();
    let info = |info: &str| TokenSpec {
        info: Some(info.to_string()),
        ..TokenSpec::default()
    };
    assert!(with(info("name")).contains("--info"));
    let claims = |claim: &str| TokenSpec {
        claims: vec![claim.to_string()],
        ..TokenSpec::default()
    };
    assert!(with(claims("name")).contains("name=value"));
    assert!(with(claims("=x")).contains("name=value"));
    assert!(with(claims(&format!("x={}", "y".repeat(TOKEN_BYTES_MAX)))).contains("16384"));
    let of_channel = |name: &str| TokenSpec {
        channel: Some(name.to_string()),
        ..TokenSpec::default()
    };
    assert!(with(of_channel("a b")).contains("white space"));
    assert!(make(&settings(), &of_channel("弹幕"), now()).is_ok());
    let none = make(&TokenSettings::default(), &TokenSpec::default(), now()).unwrap_err();
    assert!(none.contains("no token.hmac_secret"), "{none}");
}

#[test]
fn a_valid_token_is_explained() {
    let options = TokenSpec {
        user: "42".to_string(),
        ttl: Some(Duration::from_secs(90)),
        channels: vec!["news".to_string()],
        ..TokenSpec::default()
    };
    let token = make(&settings(), &options, now()).unwrap();
    says(
        &settings(),
        &token,
        true,
        &[
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#""sub":"42""#,
            "verified by token.hmac_secret 1 (HMAC)",
            "valid for 1m 30s (2023-11-14T22:14:50Z)",
            "must be \"app\"",
            "a connection as user \"42\"",
            "subscribed to \"news\"",
            "\nvalid\n",
        ],
    );
    let token = Signer::hmac(SECRET).token(&json!({"channel": "c", "client": "c1"}));
    says(
        &with_secret(SECRET),
        &token,
        true,
        &[
            "a subscription to \"c\" for clients without a user, only for client \"c1\"",
            "never expires",
        ],
    );
}

#[test]
fn a_token_that_does_not_count_is_explained() {
    let hmac = Signer::hmac(SECRET);
    let plain = with_secret(SECRET);
    says(
        &plain,
        &hmac.token(&json!({"exp": NOW - 60})),
        false,
        &["EXPIRED since 1m", "verified by", "the token is expired"],
    );
    let forged = Signer::hmac("x").token(&json!({"sub": "42"}));
    says(
        &plain,
        &forged,
        false,
        &["\"42\"", "none verifies it", "made its signature"],
    );
    says(
        &plain,
        &Signer::ed().token(&json!({})),
        false,
        &["no key of the settings is for EdDSA"],
    );
    says(
        &settings(),
        &hmac.token(&json!({"aud": "x"})),
        false,
        &["claim aud"],
    );
    says(&plain, "x", false, &["three parts"]);
    says(&plain, "e30.e30.AA", false, &["RFC 7515"]);
    says(
        &TokenSettings::default(),
        &hmac.token(&json!({})),
        false,
        &["have no key"],
    );
    // Times beyond all dates, and what a terminal would obey.
    let odd = hmac.token(&json!({"exp": 1e300, "iat": -5, "sub": "\u{1b}[2J\u{9b}2J"}));
    let (text, _) = explained(&plain, &odd);
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
}
