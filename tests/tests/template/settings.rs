//! Properties that an operator may rely on without reading the template.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::yaml::{Template, list, target};

#[test]
fn every_parameter_has_a_default_that_works() {
    for (name, parameter) in Template::load().section("Parameters") {
        assert!(!parameter["Default"].is_null(), "{name} has no default");
        assert!(!parameter["Description"].is_null(), "{name} does not say what it is");
    }
}

#[test]
fn tables_are_backed_up_encrypted_billed_by_request_and_not_deleted_by_accident() {
    let template = Template::load();
    for id in template.all("AWS::DynamoDB::Table") {
        let (table, properties) = (template.resource(id), template.properties(id));
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{id}");
        assert_eq!(properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true, "{id}");
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{id}");
        assert_eq!(properties["DeletionProtectionEnabled"], true, "{id}");
        assert_eq!(
            (&table["DeletionPolicy"], &table["UpdateReplacePolicy"]),
            (&json!("Retain"), &json!("Retain")),
            "{id}"
        );
        assert!(properties["TableName"].is_null(), "{id}: a name of its own stands in the way of a restored table");
    }
}

#[test]
fn functions_are_built_from_crates_and_are_lean() {
    let template = Template::load();
    for id in template.all("AWS::Serverless::Function") {
        let name = id.strip_suffix("Function").unwrap().to_lowercase();
        let metadata = &template.resource(id)["Metadata"];
        assert_eq!(metadata["BuildMethod"], "rust-cargolambda", "{id}");
        assert_eq!(metadata["BuildProperties"]["Binary"], json!(name), "{id}");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../crates/lambda-{name}"));
        let small = fs::read_to_string(folder.join(".cargo/config.toml")).unwrap();
        assert_eq!(small, "include = [\"../../../infra/functions.toml\"]\n", "{id}");
        assert_eq!(template.properties(id)["CodeUri"], json!(format!("crates/lambda-{name}")), "{id}");
        assert_eq!(template.of_function(id, "Runtime"), "provided.al2023", "{id}");
        assert_eq!(template.of_function(id, "Architectures"), &json!([{ "Ref": "Architecture" }]), "{id}");
    }
    assert_eq!(template.section("Parameters")["Architecture"]["Default"], "arm64");
}

/// A layer is unpacked into /opt. Without a layer the variable is empty, which counts as not set.
#[test]
fn a_release_of_the_time_zone_database_can_be_given_to_every_function_in_a_layer() {
    let template = Template::load();
    assert_eq!(template.section("Parameters")["TimeZoneDatabase"]["Default"], "BuiltIn");
    let layers = json!([{ "Fn::If": ["HasZones", { "Ref": "ZonesLayer" }, { "Ref": "AWS::NoValue" }] }]);
    let folder = json!({ "Fn::If": ["HasZones", "/opt/zoneinfo", ""] });
    for id in template.all("AWS::Serverless::Function") {
        assert_eq!(template.of_function(id, "Layers"), &layers, "{id}");
        let of_all = &template.section("Globals")["Function"]["Environment"]["Variables"];
        assert_eq!(of_all[engine::zones::TZDIR], folder);
        assert!(template.properties(id)["Environment"]["Variables"][engine::zones::TZDIR].is_null(), "{id}");
    }
    let layer = template.properties("ZonesLayer");
    assert_eq!((&layer["ContentUri"], &layer["RetentionPolicy"]), (&json!("infra/zones/layer"), &json!("Retain")));
    // The folder that infra/zones/fetch-layer fills is there, and its content is not committed.
    assert!(crate::yaml::read("infra/zones/fetch-layer").contains("layer/zoneinfo"));
    assert!(crate::yaml::read(".gitignore").contains("/infra/zones/layer/zoneinfo\n"));
}

#[test]
fn functions_are_traced_and_log_as_json_for_a_limited_time() {
    let template = Template::load();
    for id in template.all("AWS::Serverless::Function") {
        assert_eq!(template.of_function(id, "Tracing"), "Active", "{id}");
        let logging = template.of_function(id, "LoggingConfig");
        assert_eq!(logging["LogFormat"], "JSON", "{id}");
        let log = template.properties(target(&logging["LogGroup"]).unwrap());
        assert_eq!(target(&log["RetentionInDays"]), Some("LogRetentionInDays"), "{id}");
    }
}

/// Lambda drops lines below the chosen level. Lines without a level, such as metrics, count as INFO.
#[test]
fn metrics_pass_every_log_level_that_can_be_chosen() {
    let template = Template::load();
    assert_eq!(template.section("Parameters")["LogLevel"]["AllowedValues"], json!(["DEBUG", "INFO"]));
    for id in template.all("AWS::Serverless::Function") {
        let level = &template.of_function(id, "LoggingConfig")["ApplicationLogLevel"];
        assert_eq!(target(level), Some("LogLevel"), "{id}");
    }
}

#[test]
fn functions_that_fail_or_are_held_back_raise_an_alarm() {
    let template = Template::load();
    let watched = |id: &str, metric: &str| {
        template.all("AWS::CloudWatch::Alarm").into_iter().any(|alarm| {
            let alarm = template.properties(alarm);
            let dimensions = list(&alarm["Dimensions"]);
            alarm["MetricName"] == metric && dimensions.iter().any(|dimension| target(&dimension["Value"]) == Some(id))
        })
    };
    for id in template.all("AWS::Serverless::Function") {
        assert!(watched(id, "Errors") && watched(id, "Throttles"), "{id}");
    }
    assert!(watched("IngestQueue", "ApproximateAgeOfOldestMessage"));
    assert!(watched("RelayFunction", "IteratorAge"));
}

#[test]
fn every_alarm_tells_the_topic_and_is_described() {
    let template = Template::load();
    for id in template.all("AWS::CloudWatch::Alarm") {
        let alarm = template.properties(id);
        assert!(list(&alarm["AlarmActions"]).into_iter().any(|action| target(action) == Some("AlarmTopic")), "{id}");
        assert!(alarm["AlarmDescription"].is_string(), "{id}");
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{id}");
    }
}

/// The operator's pages name each alarm, and each parameter.
#[test]
fn the_operators_pages_tell_of_every_parameter_and_every_alarm() {
    let template = Template::load();
    let parameters: Vec<&str> = template.section("Parameters").keys().map(String::as_str).collect();
    let pages = [
        ("docs/operations/deploy.md", parameters),
        ("docs/operations/alarms.md", template.all("AWS::CloudWatch::Alarm")),
    ];
    for (path, names) in pages {
        let page = crate::yaml::read(path);
        for name in names {
            assert!(page.contains(&format!("`{name}`")), "{path} does not tell of `{name}`");
        }
    }
}
