//! A reader of the template: CloudFormation's short forms become its long ones, as JSON.

use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// A file of this repository.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A template, all its short forms written out.
pub struct Template(Value);

impl Template {
    /// The template that is deployed.
    pub fn load() -> Self {
        Self::parse(&read("template.yaml"))
    }

    pub fn parse(text: &str) -> Self {
        let documents = Yaml::load_from_str(text).unwrap();
        assert_eq!(documents.len(), 1, "one document");
        Self(as_json(&documents[0]))
    }

    /// A section as it is.
    pub fn section(&self, name: &str) -> &Map<String, Value> {
        self.0[name].as_object().unwrap_or_else(|| panic!("no section `{name}`"))
    }

    /// A resource with everything beside its properties.
    pub fn resource(&self, id: &str) -> &Value {
        let resource = &self.0["Resources"][id];
        assert!(!resource.is_null(), "no resource `{id}`");
        resource
    }

    pub fn properties(&self, id: &str) -> &Value {
        &self.resource(id)["Properties"]
    }

    /// The ids of all resources of a kind; there is at least one.
    pub fn all(&self, kind: &str) -> Vec<&str> {
        let of_kind = |resource: &Value| resource["Type"] == kind;
        let ids = self.section("Resources").iter().filter(|(_, resource)| of_kind(resource));
        let ids: Vec<_> = ids.map(|(id, _)| id.as_str()).collect();
        assert!(!ids.is_empty(), "no {kind}");
        ids
    }

    /// A property of a function, or the value for all functions.
    pub fn of_function(&self, id: &str, property: &str) -> &Value {
        let own = &self.properties(id)[property];
        if own.is_null() { &self.0["Globals"]["Function"][property] } else { own }
    }
}

/// The resource or parameter that a value refers to.
pub fn target(value: &Value) -> Option<&str> {
    let (function, argument) = value.as_object()?.iter().next()?;
    let argument = argument.as_str()?;
    match function.as_str() {
        "Ref" => Some(argument),
        "Fn::GetAtt" => argument.split('.').next(),
        "Fn::Sub" => argument.split_once("${")?.1.split(['.', '}']).next(),
        _ => None,
    }
}

/// A list; a single item counts as a list of one.
pub fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn as_json(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(as_json).collect(),
        Yaml::Mapping(entries) => {
            let name =
                |key: &Yaml<'_>| key.as_str().unwrap_or_else(|| panic!("a key that is no text: {key:?}")).to_owned();
            Value::Object(entries.iter().map(|(key, value)| (name(key), as_json(value))).collect())
        }
        Yaml::Tagged(tag, value) => {
            let function = match tag.suffix.as_str() {
                plain @ ("Ref" | "Condition") => plain.to_owned(),
                other => format!("Fn::{other}"),
            };
            json!({ function: as_json(value) })
        }
        // CloudFormation does not know aliases either.
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => panic!("cannot be read: {node:?}"),
    }
}

#[test]
fn short_forms_are_read_as_long_ones() {
    let template =
        Template::parse("Resources: { A: { Properties: { B: !GetAtt C.Arn, D: !Sub 'x/${E.Arn}/*', F: !Ref G } } }");
    let properties = template.properties("A");
    assert_eq!(properties["B"], json!({ "Fn::GetAtt": "C.Arn" }));
    assert_eq!(["B", "D", "F"].map(|name| target(&properties[name])), [Some("C"), Some("E"), Some("G")]);
}

/// The event sources of a function. The API function has none: it is invoked by requests.
pub fn sources(function: &Value) -> impl Iterator<Item = (&String, &Value)> {
    function["Events"].as_object().into_iter().flatten()
}
