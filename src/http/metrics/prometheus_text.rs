//! Prometheus's text form 0.0.4, made of OpenMetrics: agents that are older than that form ask for
//! `text/plain` and read nothing else. Pure over texts.
//!
//! The two differ in what is used here by the names of counters, whose family has no `_total` in
//! OpenMetrics, and by lines that the older form does not have.

use actix_web::{
    HttpRequest,
    http::header::{Accept, Header as _},
};

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a request would rather have this form: by the weights of its `Accept`, and by the order
/// where they are equal. Who accepts anything gets OpenMetrics.
#[must_use]
pub(super) fn is_wanted(request: &HttpRequest) -> bool {
    let Ok(accept) = Accept::parse(request) else {
        return false;
    };
    let ranked = accept.ranked();
    let first = ranked.iter().find_map(|kind| match kind.essence_str() {
        "application/openmetrics-text" | "application/*" | "*/*" => Some(false),
        "text/plain" | "text/*" => Some(true),
        _ => None,
    });
    first.unwrap_or(false)
}

/// The same numbers in the older form.
#[must_use]
pub(super) fn from_open_metrics(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        if line.starts_with("# HELP ") {
            // Its family's name depends on the type, which comes next.
            help = Some(line);
        } else if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap_or((family, "untyped"));
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some(help) = help.take().and_then(|line| line.splitn(4, ' ').nth(3)) {
                plain.push_str(&format!("# HELP {name}{suffix} {help}\n"));
            }
            plain.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            plain.push_str(line);
            plain.push('\n');
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// `Accept: text/plain;version=0.0.4` was answered with OpenMetrics, which such agents cannot
    /// read. What weighs most is given.
    #[test]
    fn the_form_is_the_one_that_was_asked_for() {
        for (accept, plain) in [
            ("text/plain;version=0.0.4", true),
            ("text/plain", true),
            ("text/*", true),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", true),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                false,
            ),
            (
                "application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.3",
                true,
            ),
            ("application/openmetrics-text", false),
            ("*/*", false),
            ("application/json", false),
            ("no media type", false),
        ] {
            let request = TestRequest::get().insert_header(("Accept", accept));
            assert_eq!(is_wanted(&request.to_http_request()), plain, "{accept}");
        }
        assert!(!is_wanted(&TestRequest::get().to_http_request()));
    }

    #[test]
    fn counters_are_named_as_their_samples_and_the_end_is_left_out() {
        let text = "# HELP a_sent Sent, in all.\n# TYPE a_sent counter\na_sent_total{w=\"0\"} 1\n\
            # HELP a_now Now.\n# TYPE a_now gauge\n# UNIT a_now x\na_now 2\n# EOF\n";
        assert_eq!(
            from_open_metrics(text),
            "# HELP a_sent_total Sent, in all.\n# TYPE a_sent_total counter\na_sent_total{w=\"0\"} 1\n\
            # HELP a_now Now.\n# TYPE a_now gauge\na_now 2\n"
        );
    }
}
