//! Whatever comes as a token gets an answer: no panic, and nothing that no key has signed counts.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 18] = [
    "sub",
    "exp",
    "nbf",
    "iat",
    "jti",
    "aud",
    "iss",
    "info",
    "b64info",
    "meta",
    "channels",
    "subs",
    "expire_at",
    "channel",
    "client",
    "override",
    "x",
    "",
];

/// JSON of any form, often with names that count.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(NOW + 60)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            any_object(inner),
        ]
    })
}

fn any_object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = proptest::sample::select(&NAMES[..]).prop_map(str::to_string);
    proptest::collection::btree_map(name, value, 0..6).prop_map(|map| json!(map))
}

proptest! {
    #[test]
    fn signed_claims_of_any_form_are_answered(claims in any_object(any_json())) {
        let token = Signer::hmac(SECRET).token(&claims);
        let settings = with_secret(SECRET);
        let tokens = Tokens::new(&settings).unwrap();
        let connection = ready(tokens.connection(&token, now()));
        let subscription = ready(tokens.subscription(&token, now()));
        // No token is of both kinds.
        prop_assert!(connection.is_err() || subscription.is_err());
        let explained = ready(super::super::command::explain(&settings, &token, now()));
        prop_assert_eq!(explained.is_valid, connection.is_ok() || subscription.is_ok());
    }

    #[test]
    fn text_of_any_form_is_refused(
        token in any::<String>(),
        header in any::<String>(),
        cut in 0..200usize,
    ) {
        let tokens = Tokens::new(&with_secret(SECRET)).unwrap();
        let refused = |token: &str| ready(tokens.connection(token, now())).is_err();
        let signed = Signer::hmac(SECRET).token(&json!({"sub": "42", "info": "x".repeat(80)}));
        for hostile in [
            [&URL_SAFE_NO_PAD.encode(header), ".e30.", &token].concat(),
            signed[..cut.min(signed.len() - 1)].to_string(),
            ["x", &token, &signed].concat(),
            token,
        ] {
            prop_assert!(refused(&hostile));
        }
    }
}
