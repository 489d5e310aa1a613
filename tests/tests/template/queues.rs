//! Nothing is lost on the way: every hop names a place for what it cannot deliver, and an alarm reports it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::yaml::{Template, list, sources, target};

const FOURTEEN_DAYS_S: u64 = 14 * 24 * 60 * 60;

/// The queue that a value points at.
fn queue<'a>(template: &Template, arn: &'a Value, of: &str) -> &'a str {
    let id = target(arn).unwrap_or_else(|| panic!("{of} has no place for what it cannot deliver"));
    assert_eq!(template.resource(id)["Type"], "AWS::SQS::Queue", "{of}: {id}");
    id
}

/// All queues that take what another hop could not deliver. A hop that names none fails.
fn dead_letter_queues(template: &Template) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for id in template.all("AWS::Events::Rule") {
        for to in list(&template.properties(id)["Targets"]) {
            assert!(to["RetryPolicy"].is_object(), "{id} does not say how often it tries");
            found.insert(queue(template, &to["DeadLetterConfig"]["Arn"], id));
        }
    }
    for id in template.all("AWS::Scheduler::Schedule") {
        let to = &template.properties(id)["Target"];
        assert!(to["RetryPolicy"].is_object(), "{id} does not say how often it tries");
        found.insert(queue(template, &to["DeadLetterConfig"]["Arn"], id));
        // Schedules invoke asynchronously: when the function fails, the function itself has to name the place.
        let function = template.properties(target(&to["Arn"]).unwrap());
        found.insert(queue(
            template,
            &function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"],
            id,
        ));
    }
    for id in template.all("AWS::Serverless::Function") {
        for (name, source) in sources(template.properties(id)) {
            let (of, source) = (format!("{id}.{name}"), (&source["Type"], &source["Properties"]));
            found.insert(match source {
                (Value::String(kind), source) if kind == "SQS" => {
                    let from = template.properties(target(&source["Queue"]).unwrap());
                    queue(template, &from["RedrivePolicy"]["deadLetterTargetArn"], &of)
                }
                (Value::String(kind), source) if kind == "DynamoDB" => {
                    queue(template, &source["DestinationConfig"]["OnFailure"]["Destination"], &of)
                }
                (kind, _) => panic!("{of}: does {kind} lose events? Say here where they go"),
            });
        }
    }
    found
}

#[test]
fn every_hop_has_a_place_for_what_it_cannot_deliver() {
    let found: Vec<_> = dead_letter_queues(&Template::load()).into_iter().map(str::to_owned).collect();
    assert_eq!(
        found,
        ["IngestDeadLetters", "RelayDeadLetters", "RuleDeadLetters", "SweepDeadLetters", "WebhookDeadLetters"]
    );
}

#[test]
fn whatever_lies_in_a_dead_letter_queue_raises_an_alarm() {
    let template = Template::load();
    let watches = |alarm: &Value, id: &str| {
        alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
            && alarm["ComparisonOperator"] == "GreaterThanThreshold"
            && alarm["Threshold"] == 0
            && list(&alarm["Dimensions"]).iter().any(|dimension| target(&dimension["Value"]) == Some(id))
    };
    for id in dead_letter_queues(&template) {
        let alarm =
            template.all("AWS::CloudWatch::Alarm").into_iter().find(|alarm| watches(template.properties(alarm), id));
        let alarm = template.resource(alarm.unwrap_or_else(|| panic!("{id} has no alarm")));
        assert_eq!(alarm["Condition"], template.resource(id)["Condition"], "{id}");
    }
}

#[test]
fn rules_are_let_into_the_queues_they_deliver_to_and_give_up_in() {
    let template = Template::load();
    let is_queue = |id: &str| template.resource(id)["Type"] == "AWS::SQS::Queue";
    for rule in template.all("AWS::Events::Rule") {
        for to in list(&template.properties(rule)["Targets"]) {
            let queues = [&to["Arn"], &to["DeadLetterConfig"]["Arn"]].map(|arn| target(arn).unwrap());
            for queue in queues.into_iter().filter(|id| is_queue(id)) {
                assert!(lets_in(&template, queue, rule), "{rule} may not put into {queue}");
            }
        }
    }
}

fn lets_in(template: &Template, queue: &str, rule: &str) -> bool {
    template.all("AWS::SQS::QueuePolicy").into_iter().any(|policy| {
        let policy = template.properties(policy);
        let statements = list(&policy["PolicyDocument"]["Statement"]);
        list(&policy["Queues"]).into_iter().any(|of| target(of) == Some(queue))
            && statements.iter().any(|statement| {
                let from = statement["Condition"]["ArnEquals"]["aws:SourceArn"].to_string();
                statement["Action"] == "sqs:SendMessage"
                    && target(&statement["Resource"]) == Some(queue)
                    && from.contains(&format!("\"{rule}.Arn\""))
            })
    })
}

#[test]
fn an_event_is_tried_twenty_times_and_hidden_for_six_time_outs_meanwhile() {
    let template = Template::load();
    for id in template.all("AWS::Serverless::Function") {
        let timeout = template.of_function(id, "Timeout").as_u64().unwrap();
        for source in sources(template.properties(id)).map(|(_, source)| source) {
            let (kind, source) = (&source["Type"], &source["Properties"]);
            assert_eq!(list(&source["FunctionResponseTypes"]), ["ReportBatchItemFailures"], "{id}");
            if kind == "SQS" {
                let from = template.properties(target(&source["Queue"]).unwrap());
                assert_eq!(from["VisibilityTimeout"].as_u64(), Some(6 * timeout), "{id}");
                assert!(from["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap() >= 20, "{id}");
                let limit = if id == "IngestFunction" { "IngestConcurrency" } else { "SweepConcurrency" };
                assert_eq!(target(&source["ScalingConfig"]["MaximumConcurrency"]), Some(limit), "{id}");
            } else {
                assert_eq!(source["BisectBatchOnFunctionError"], true, "{id}");
                assert!(
                    source["MaximumRetryAttempts"].as_u64().is_some(),
                    "{id}: a bad record blocks its shard for a day"
                );
                assert!(source["MaximumRecordAgeInSeconds"].as_u64().is_some(), "{id}");
            }
        }
    }
}

/// A dead letter keeps the age of its message: its queue has to keep it longer than the queue that it came from.
#[test]
fn queues_are_encrypted_and_forget_within_fourteen_days_dead_letters_last() {
    let template = Template::load();
    let kept_s = |id: &str| template.properties(id)["MessageRetentionPeriod"].as_u64().unwrap();
    for id in template.all("AWS::SQS::Queue") {
        assert_eq!(template.properties(id)["SqsManagedSseEnabled"], true, "{id}");
        assert!(kept_s(id) <= FOURTEEN_DAYS_S, "{id}");
        if let Some(dead_letters) = target(&template.properties(id)["RedrivePolicy"]["deadLetterTargetArn"]) {
            assert!(kept_s(dead_letters) > kept_s(id), "{id}");
        }
    }
    for id in dead_letter_queues(&template) {
        assert_eq!(kept_s(id), FOURTEEN_DAYS_S, "{id}");
    }
    assert_eq!(kept_s("QuarantineQueue"), FOURTEEN_DAYS_S);
}
