//! Which key verifies which token, and what the settings may not name.

use super::*;

fn claims() -> Value {
    json!({"sub": "42"})
}

#[test]
fn each_family_verifies_its_own_algorithms() {
    let hmac = Signer::hmac(SECRET);
    let settings = with_secret(SECRET);
    for algorithm in hmac.algorithms {
        let token = hmac.sign(*algorithm, json!({}), &claims().to_string());
        assert_eq!(connect(&settings, &token).unwrap().user, "42");
    }
    for signer in public_signers() {
        for algorithm in signer.algorithms {
            let token = signer.sign(*algorithm, json!({}), &claims().to_string());
            let user = connect(&with_key(signer), &token).map(|it| it.user);
            assert_eq!(user.as_deref(), Ok("42"), "{algorithm:?}");
        }
    }
}

#[test]
fn a_changed_token_is_refused() {
    let hmac = Signer::hmac(SECRET);
    let mut pairs = vec![(with_secret(SECRET), &hmac)];
    pairs.extend(public_signers().iter().map(|it| (with_key(it), it)));
    for (settings, signer) in pairs {
        let token = signer.token(&claims());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(r#"{"sub":"43"}"#);
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[0] ^= 1;
        let flipped = URL_SAFE_NO_PAD.encode(&bytes);
        let half = &signature[..signature.len() / 2];
        for changed in [
            format!("{header}.{other}.{signature}"),
            format!("{signed}.{flipped}"),
            format!("{signed}.{half}"),
            format!("{signed}."),
            format!("{signed}.!"),
        ] {
            let why = why(connect(&settings, &changed));
            assert!(why.contains("made its signature"), "{why}");
        }
    }
}

/// The classic confusion: a token signed HS256 with the public key as the secret. A verifier that
/// lets the token choose would take it, since it has that key at hand.
#[test]
fn a_public_key_is_never_a_secret() {
    for signer in public_signers() {
        let body: String = signer
            .public
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        let der = STANDARD.decode(body).unwrap();
        let forms = [
            signer.public.as_bytes(),
            signer.public.trim().as_bytes(),
            &der,
        ];
        for secret in forms {
            let forger = Signer {
                private: EncodingKey::from_secret(secret),
                ..Signer::hmac("x")
            };
            for algorithm in forger.algorithms {
                let token = forger.sign(*algorithm, json!({}), &claims().to_string());
                let why = why(connect(&with_key(signer), &token));
                assert!(why.contains("no key of the settings is for HS"), "{why}");
            }
        }
    }
}

#[test]
fn a_key_verifies_no_other_family() {
    let names = public_signers().iter().flat_map(|it| it.algorithms);
    let names: Vec<Algorithm> = names.copied().collect();
    for signer in public_signers() {
        let token = signer.token(&claims());
        let rest = token.split_once('.').unwrap().1;
        for name in names.iter().filter(|it| !signer.algorithms.contains(it)) {
            let header = URL_SAFE_NO_PAD.encode(json!({"alg": name}).to_string());
            let why = why(connect(&with_key(signer), &format!("{header}.{rest}")));
            assert!(why.contains("no key of the settings is for"), "{why}");
        }
    }
}

#[test]
fn an_unsigned_token_is_refused() {
    for name in ["none", "None", "NONE"] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": name}).to_string());
        let claims = URL_SAFE_NO_PAD.encode(claims().to_string());
        let token = format!("{header}.{claims}.");
        assert!(why(connect(&with_secret(SECRET), &token)).contains("not signed"));
    }
}

#[test]
fn unknown_extensions_and_long_tokens_are_refused_though_signed() {
    let hmac = Signer::hmac(SECRET);
    let token = hmac.sign(
        Algorithm::HS256,
        json!({"crit": ["exp"]}),
        &claims().to_string(),
    );
    assert!(why(connect(&with_secret(SECRET), &token)).contains("crit"));
    let token = hmac.token(&json!({"sub": "4".repeat(TOKEN_BYTES_MAX)}));
    assert!(why(connect(&with_secret(SECRET), &token)).contains("more than 16384"));
}

#[test]
fn keys_rotate_with_two_valid_at_a_time() {
    let (old, new) = (
        Signer::hmac("the old secret"),
        Signer::hmac("the new secret"),
    );
    let both = TokenSettings {
        hmac_secret: vec![Secret::new("the new secret"), Secret::new("the old secret")],
        ..TokenSettings::default()
    };
    assert!(connect(&both, &old.token(&claims())).is_ok());
    assert!(connect(&both, &new.token(&claims())).is_ok());
    let after = with_secret("the new secret");
    assert!(connect(&after, &new.token(&claims())).is_ok());
    let why = why(connect(&after, &old.token(&claims())));
    assert!(why.contains("made its signature"), "{why}");

    let all = TokenSettings {
        hmac_secret: vec![Secret::new(SECRET)],
        public_keys: public_signers()
            .iter()
            .map(|it| it.public.clone())
            .collect(),
        ..TokenSettings::default()
    };
    for signer in public_signers() {
        assert!(connect(&all, &signer.token(&claims())).is_ok());
    }
    // A second key of a family that is there already.
    let second = Signer::ed();
    assert!(connect(&all, &second.token(&claims())).is_err());
    let mut more = all;
    more.public_keys.push(second.public.clone());
    assert!(connect(&more, &second.token(&claims())).is_ok());
}

#[test]
fn a_public_key_may_be_a_file() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/token/testdata/rsa.pub.pem"
    );
    let settings = TokenSettings {
        public_keys: vec![path.to_string()],
        ..TokenSettings::default()
    };
    assert!(connect(&settings, &Signer::rsa().token(&claims())).is_ok());
}

#[test]
fn setup_says_which_key_is_wrong() {
    let good = Signer::ed().public;
    let labelled = |label: &str| good.replace("PUBLIC KEY", label);
    let short = include_str!("../testdata/short.pub.pem").to_string();
    let off_curve = pem(ED_PREFIX, &[2; 32]);
    for (key, expected) in [
        (RSA_PRIVATE.to_string(), "private key"),
        (labelled("PRIVATE KEY"), "private key"),
        (labelled("CERTIFICATE"), "certificate"),
        (labelled("SPELL"), "no PUBLIC KEY"),
        (format!("{good}{good}"), "several"),
        (short, "1024 bits"),
        (pem(ED_PREFIX, &[1; 31]), "no RSA, P-256"),
        (pem(P256_PREFIX, &[4; 65]), "no EC P-256 key"),
        (pem(P256_PREFIX, &[2; 33]), "P-256"),
        (off_curve, "no Ed25519 key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA".to_string(), "no RSA"),
        ("/nowhere/key.pem".to_string(), "/nowhere/key.pem"),
    ] {
        let settings = TokenSettings {
            public_keys: vec![good.clone(), key.clone()],
            ..TokenSettings::default()
        };
        let error = Tokens::new(&settings).unwrap_err();
        assert_eq!(error.setting, "token.public_keys 2");
        assert!(error.why.contains(expected), "{key}: {error}");
    }
    let error = Tokens::new(&with_secret("")).unwrap_err();
    assert_eq!(error.setting, "token.hmac_secret 1");
    let many = TokenSettings {
        hmac_secret: vec![Secret::new(SECRET); KEYS_MAX + 1],
        ..TokenSettings::default()
    };
    assert!(Tokens::new(&many).unwrap_err().why.contains("33"));
    for url in ["keys", "ftp://127.0.0.1/"] {
        let settings = TokenSettings {
            jwks_url: Some(url.to_string()),
            ..TokenSettings::default()
        };
        assert_eq!(
            Tokens::new(&settings).unwrap_err().setting,
            "token.jwks_url"
        );
    }
}

#[test]
fn without_keys_nothing_counts() {
    let settings = TokenSettings::default();
    assert!(!Tokens::new(&settings).unwrap().is_configured());
    assert!(Tokens::new(&with_secret(SECRET)).unwrap().is_configured());
    let token = Signer::hmac(SECRET).token(&claims());
    assert!(why(connect(&settings, &token)).contains("name no key"));
}

#[test]
fn neither_tokens_nor_keys_are_shown() {
    let tokens = Tokens::new(&with_secret(SECRET)).unwrap();
    assert!(!format!("{tokens:?}").contains(SECRET));
    let token = Signer::hmac("another").token(&json!({"sub": "a name of a person"}));
    let why = why(connect(&with_secret(SECRET), &token));
    assert!(!why.contains("person") && token.split('.').all(|part| !why.contains(part)));
}
