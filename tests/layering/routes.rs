//! Routes read requests and write answers. Who someone is and what they may, the node decides, in
//! its order; a route that takes one of its steps by itself has an order of its own.

use std::fmt::Write as _;

use crate::{TREE, is_within, place};

/// Steps of the node's order (`node::access`), and what compares secrets.
const DECIDING: [&str; 6] = [
    "admit_user",
    "authenticate",
    "authorize_channels",
    "check_revoked",
    "ct_eq",
    "digest_of",
];

#[test]
fn routes_leave_deciding_to_the_node() {
    let mut report = String::new();
    let modules = TREE.modules.iter();
    for (name, module) in modules.filter(|(name, _)| is_within(name, "http")) {
        for token in &module.code {
            if DECIDING.contains(&token.text.as_str()) {
                let _ = writeln!(report, "{}: {}", place(name, token.line), token.text);
            }
        }
    }
    assert!(
        report.is_empty(),
        "routes ask node::access and node::authorize, and take no step by themselves:\n{report}"
    );
}

/// A step that is gone would be held by nobody.
#[test]
fn the_node_has_every_step_that_is_left_to_it() {
    for step in DECIDING {
        let is_there = TREE.modules.iter().any(|(name, module)| {
            is_within(name, "node") && module.code.iter().any(|token| token.is(step))
        });
        assert!(is_there, "no {step}: take it out of DECIDING");
    }
}

/// Steps that one place alone may take: each makes what proves that the steps before it were.
const RESERVED: [(&str, &[&str]); 1] = [(
    "admit_user",
    &["node::auth", "node::access", "session::user"],
)];

/// A session could be identified without its place among its user's.
#[test]
fn what_proves_a_step_is_made_by_that_step_alone() {
    let mut report = String::new();
    for (step, places) in RESERVED {
        let mut is_there = false;
        for (name, module) in &TREE.modules {
            for token in module.code.iter().filter(|token| token.is(step)) {
                is_there = true;
                if !places.contains(&name.as_str()) {
                    let _ = writeln!(report, "{}: {step}", place(name, token.line));
                }
            }
        }
        assert!(is_there, "no {step}: take it out of RESERVED");
    }
    assert!(report.is_empty(), "only their own places may:\n{report}");
}
