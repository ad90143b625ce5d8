//! Several commands in one request, in order, each with its own answer: `batch`, and the lines of
//! [`command_lines`](super::command_lines).

use super::{
    answer::{self, ApiResult, bad_request},
    call::ApiCall,
    message,
    table::{Batch, Call},
};
use crate::{
    broker::{BrokerFuture, PublishResult},
    protocol::ReplyError,
};

/// Commands of one request.
pub(super) const COMMANDS_MAX: usize = 10_000;

/// The answers so far, and the publications that follow them and are still on their way.
///
/// A publication has its place when it is called, so that neighbours need not wait for one
/// another: ten thousand of them are not ten thousand round trips. Any other command waits for
/// those before it.
#[derive(Default)]
struct Replies {
    answers: Vec<(&'static str, ApiResult)>,
    publishing: Vec<Result<BrokerFuture<PublishResult>, ReplyError>>,
}

impl Replies {
    async fn settle(&mut self) {
        for publishing in self.publishing.drain(..) {
            let answer = match publishing {
                Ok(publishing) => message::published(publishing.await),
                Err(error) => Err(error),
            };
            self.answers.push(("publish", answer));
        }
    }

    async fn push(&mut self, name: &'static str, answer: impl Future<Output = ApiResult>) {
        self.settle().await;
        self.answers.push((name, answer.await));
    }
}

/// `batch`.
pub(super) async fn batch(call: &ApiCall<'_>, Batch { commands, .. }: Batch) -> ApiResult {
    if commands.len() > COMMANDS_MAX {
        return Err(ReplyError::LIMIT_EXCEEDED);
    }
    let commands = commands.into_iter().map(|command| {
        let message = "bad request: a command is one method, and no batch";
        command
            .call()
            .ok_or_else(|| bad_request(message.to_string()))
    });
    let answers = run(call, commands).await;
    Ok(answer::list(answers.into_iter()))
}

/// Runs calls in their order; the name of each with its answer. What could not be read is answered
/// in its place.
pub(super) async fn run(
    call: &ApiCall<'_>,
    calls: impl Iterator<Item = Result<Call, ReplyError>>,
) -> Vec<(&'static str, ApiResult)> {
    let (turn, mut replies) = (call.turn(), Replies::default());
    for (index, next) in calls.enumerate() {
        if index % turn == turn - 1 {
            tokio::task::yield_now().await;
        }
        match next {
            Err(error) => replies.push("error", async { Err(error) }).await,
            Ok(Call::Publish(request)) => {
                call.tell("publish", &*request);
                let publishing = message::begin_publish(call, *request);
                replies.publishing.push(publishing);
            }
            Ok(method) => replies.push(method.name(), method.run(call)).await,
        }
    }
    replies.settle().await;
    let errors = replies
        .answers
        .iter()
        .filter_map(|(_, answer)| answer.as_ref().err());
    errors.for_each(|error| answer::tell_error(call.request, error));
    replies.answers
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::{
        broker::BrokerError,
        http::HttpState,
        node::auth::ApiCaller,
        testing::{Op, TestNode},
    };

    fn read(json: &str) -> Batch {
        serde_json::from_str(json).expect("a batch")
    }

    #[actix_web::test]
    async fn publications_of_a_batch_do_not_wait_for_one_another() {
        let test = TestNode::new(64);
        let http = HttpState::new(&test.node.settings, Vec::new());
        let request = TestRequest::post().to_http_request();
        let call = ApiCall {
            request: &request,
            node: &test.node,
            http: &http,
            caller: ApiCaller::Key(0),
        };
        let commands = read(
            r#"{"commands":[
                {"publish":{"channel":"lobby","data":1}},
                {"publish":{"channel":"lobby"}},
                {"publish":{"channel":"lobby","data":2}},
                {"history":{"channel":"lobby"}},
                {"publish":{"channel":"lobby","data":3}}]}"#,
        );
        test.broker.hold(Op::Publish);
        let mut answer = std::pin::pin!(batch(&call, commands));
        let early = tokio::time::timeout(std::time::Duration::ZERO, &mut answer).await;
        assert!(early.is_err(), "the broker has not answered");
        assert_eq!(test.broker.texts(), ["1", "2"], "both before any answer");
        test.broker.fail(Op::Publish, BrokerError::Unavailable, 1);
        test.broker.release(Op::Publish);
        let answer: serde_json::Value =
            serde_json::from_str(&answer.await.expect("an answer")).expect("JSON");
        let replies = answer.as_array().expect("a list");
        let names = replies.iter().map(|reply| {
            let reply = reply.as_object().expect("an object");
            reply.keys().next().expect("a name").as_str()
        });
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["publish", "error", "publish", "history", "error"],
            "{answer}"
        );
        assert_eq!(replies[1]["error"]["code"], 107);
        assert_eq!(
            replies[3]["history"]["offset"], 2,
            "what was published before"
        );
        assert_eq!(replies[4]["error"]["code"], 100);
        assert_eq!(test.broker.texts(), ["1", "2"]);
    }
}
