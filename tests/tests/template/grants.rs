//! Least privilege: a function may do what its code does and what its wiring needs, on named resources, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::calls;
use crate::yaml::{Template, list, sources, target};

/// Actions by the resource on which they are allowed.
type Grants = BTreeMap<String, BTreeSet<String>>;

/// Traces go to no resource that could be named.
const TRACES: [&str; 2] = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"];
/// The actions by which Lambda reads a stream.
const STREAM: [&str; 4] =
    ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"];

#[test]
fn functions_may_do_nothing_but_what_their_code_does() {
    let template = Template::load();
    for id in template.all("AWS::Serverless::Function") {
        let unused: Vec<_> = granted_to_code(&template, id).difference(&calls::actions(id)).cloned().collect();
        assert!(unused.is_empty(), "{id} may do what its code does not: {unused:?}");
    }
}

#[test]
fn functions_may_do_whatever_their_code_does() {
    let template = Template::load();
    for id in template.all("AWS::Serverless::Function") {
        let denied: Vec<_> = calls::actions(id).difference(&granted_to_code(&template, id)).cloned().collect();
        assert!(denied.is_empty(), "{id} may not do what its code does: {denied:?}");
    }
}

#[test]
fn functions_may_do_what_their_wiring_needs() {
    let template = Template::load();
    for id in template.all("AWS::Serverless::Function") {
        let granted = granted(&template, role(&template, id));
        for (resource, actions) in wiring(&template, id) {
            let granted = granted.get(&resource).unwrap_or_else(|| panic!("{id} may do nothing to {resource}"));
            assert!(granted.is_superset(&actions), "{id} needs {actions:?} on {resource}");
        }
    }
}

#[test]
fn policies_name_their_actions_and_their_resources() {
    let template = Template::load();
    for id in template.all("AWS::IAM::Role") {
        let role = template.properties(id);
        assert!(role["ManagedPolicyArns"].is_null(), "{id}: what a managed policy allows is not seen here");
        for statement in statements(role) {
            let at = format!("{id}.{}", statement["Sid"].as_str().expect("a Sid"));
            assert_eq!(statement["Effect"], "Allow", "{at}");
            let actions: Vec<_> = list(&statement["Action"]).into_iter().filter_map(Value::as_str).collect();
            assert!(!actions.is_empty() && actions.iter().all(|action| !action.contains('*')), "{at}: {actions:?}");
            for resource in list(&statement["Resource"]) {
                let may_be_wide =
                    actions == ["dynamodb:ListStreams"] || actions.iter().all(|action| TRACES.contains(action));
                assert!(!resource.to_string().contains('*') || may_be_wide, "{at}: {resource}");
            }
        }
    }
}

#[test]
fn functions_have_roles_of_their_own() {
    let template = Template::load();
    let mut roles = BTreeSet::new();
    for id in template.all("AWS::Serverless::Function") {
        assert!(template.properties(id)["Policies"].is_null(), "{id}: SAM adds to these; write them into the role");
        assert!(roles.insert(role(&template, id)), "{id} shares its role");
    }
}

/// Only what the relay announces comes from the source `echelon`.
#[test]
fn the_relay_announces_in_its_own_name_only() {
    let template = Template::load();
    let statements = statements(template.properties("RelayRole"));
    let announce = statements.into_iter().find(|statement| statement["Action"] == "events:PutEvents").unwrap();
    assert_eq!(announce["Condition"]["StringEquals"]["events:source"], "echelon");
}

/// The actions that are granted beyond what the wiring needs.
fn granted_to_code(template: &Template, function: &str) -> BTreeSet<String> {
    let mut granted = granted(template, role(template, function));
    for (resource, actions) in wiring(template, function) {
        if let Some(granted) = granted.get_mut(&resource) {
            granted.retain(|action| !actions.contains(action));
        }
    }
    granted.into_values().flatten().collect()
}

fn role<'a>(template: &'a Template, function: &str) -> &'a str {
    target(&template.properties(function)["Role"]).unwrap_or_else(|| panic!("{function} has no role of its own"))
}

fn statements(role: &Value) -> Vec<&Value> {
    list(&role["Policies"]).into_iter().flat_map(|policy| list(&policy["PolicyDocument"]["Statement"])).collect()
}

fn granted(template: &Template, role: &str) -> Grants {
    let mut granted = Grants::new();
    for statement in statements(template.properties(role)) {
        for resource in list(&statement["Resource"]) {
            let resource = target(resource).unwrap_or("*").to_owned();
            let actions = list(&statement["Action"]).into_iter().filter_map(Value::as_str).map(str::to_owned);
            granted.entry(resource).or_default().extend(actions);
        }
    }
    granted
}

/// The actions of the runtime and of the event sources of a function, done in its name.
fn wiring(template: &Template, function: &str) -> Grants {
    let mut needed = Grants::new();
    let mut need = |resource: &Value, actions: &[&str]| {
        let resource = target(resource).unwrap_or("*").to_owned();
        needed.entry(resource).or_default().extend(actions.iter().map(|&action| action.to_owned()));
    };
    let properties = template.properties(function);
    need(&properties["LoggingConfig"]["LogGroup"], &["logs:CreateLogStream", "logs:PutLogEvents"]);
    if template.of_function(function, "Tracing") == "Active" {
        need(&Value::Null, &TRACES);
    }
    let mut give_up = |on_failure: &Value| {
        if !on_failure.is_null() {
            need(&on_failure["Destination"], &["sqs:SendMessage"]);
        }
    };
    give_up(&properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]);
    for source in sources(properties).map(|(_, source)| source) {
        give_up(&source["Properties"]["DestinationConfig"]["OnFailure"]);
    }
    for source in sources(properties).map(|(_, source)| source) {
        let (kind, source) = (source["Type"].as_str().unwrap(), &source["Properties"]);
        match kind {
            "SQS" => need(&source["Queue"], &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]),
            "DynamoDB" => need(&source["Stream"], &STREAM),
            _ => panic!("{function}: what does {kind} need?"),
        }
    }
    needed
}
