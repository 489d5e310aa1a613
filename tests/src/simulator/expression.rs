//! Conditions of DynamoDB, limited to what the store writes: comparisons, `BETWEEN`, a few functions, `AND`, `OR`.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::str::FromStr;
use std::vec::IntoIter;

use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// An item in the JSON of the wire: attributes by name, each a value with its type.
pub type Item = Map<String, Value>;

/// Whether an item, or the lack of one, fulfills an expression.
///
/// # Panics
/// On anything that the store has not written so far; it has to be added here then.
pub fn holds(expression: &str, input: &Value, item: Option<&Item>) -> bool {
    let tokens: Vec<String> = tokens(expression).collect();
    let mut reader = Reader { tokens: tokens.into_iter().peekable(), input, item };
    let holds = reader.any();
    assert_eq!(reader.tokens.next(), None, "more than one expression: {expression}");
    holds
}

/// The value of the partition that a key condition names. It always comes first.
pub fn partition<'a>(condition: &str, input: &'a Value) -> &'a str {
    let name = tokens(condition).nth(2).unwrap_or_default();
    text(&input["ExpressionAttributeValues"][name.as_str()]).unwrap_or_else(|| panic!("no partition in `{condition}`"))
}

/// The text of a value, if it is one.
pub fn text(value: &Value) -> Option<&str> {
    value.get("S").and_then(Value::as_str)
}

/// The real name of an attribute that may be spelled `#name`.
pub fn name<'a>(input: &'a Value, token: &'a str) -> &'a str {
    if token.starts_with('#') {
        input["ExpressionAttributeNames"][token].as_str().unwrap_or_else(|| panic!("`{token}` is not named"))
    } else {
        token
    }
}

fn tokens(expression: &str) -> impl Iterator<Item = String> {
    let spaced: String = expression.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '(' | ')' | ',') {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
        out
    });
    spaced.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter()
}

struct Reader<'a> {
    tokens: Peekable<IntoIter<String>>,
    input: &'a Value,
    item: Option<&'a Item>,
}

impl Reader<'_> {
    fn any(&mut self) -> bool {
        let mut holds = self.all();
        while self.tokens.next_if(|token| token == "OR").is_some() {
            holds |= self.all();
        }
        holds
    }

    fn all(&mut self) -> bool {
        let mut holds = self.one();
        while self.tokens.next_if(|token| token == "AND").is_some() {
            holds &= self.one();
        }
        holds
    }

    fn one(&mut self) -> bool {
        let first = self.token();
        match first.as_str() {
            "attribute_exists" => self.arguments().first().is_some_and(Option::is_some),
            "attribute_not_exists" => self.arguments().first().is_some_and(Option::is_none),
            "begins_with" => self.texts().is_some_and(|(all, part)| all.starts_with(&part)),
            "contains" => self.texts().is_some_and(|(all, part)| all.contains(&part)),
            _ => {
                let left = self.value(&first);
                let operator = self.token();
                let right = self.token();
                let compared = |right: &str| Some(compare(left.as_ref()?, self.value(right).as_ref()?));
                let order = compared(&right);
                match operator.as_str() {
                    "=" => order == Some(Ordering::Equal),
                    "<" => order == Some(Ordering::Less),
                    "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                    ">=" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                    "BETWEEN" => {
                        let and = self.token();
                        let last = self.token();
                        let until = Some((left.as_ref(), self.value(&last)));
                        let until = until.and_then(|(left, last)| Some(compare(left?, last.as_ref()?)));
                        assert_eq!(and, "AND");
                        matches!(order, Some(Ordering::Greater | Ordering::Equal))
                            && matches!(until, Some(Ordering::Less | Ordering::Equal))
                    }
                    other => panic!("the store never wrote `{other}` before"),
                }
            }
        }
    }

    fn token(&mut self) -> String {
        self.tokens.next().expect("the expression ends too early")
    }

    /// The values of a function's arguments.
    fn arguments(&mut self) -> Vec<Option<Value>> {
        assert_eq!(self.token(), "(");
        let mut values = Vec::new();
        loop {
            let token = self.token();
            match token.as_str() {
                ")" => return values,
                "," => {}
                _ => values.push(self.value(&token)),
            }
        }
    }

    fn texts(&mut self) -> Option<(String, String)> {
        let values = self.arguments();
        let [Some(all), Some(part)] = values.as_slice() else { return None };
        Some((text(all)?.to_owned(), text(part)?.to_owned()))
    }

    fn value(&self, token: &str) -> Option<Value> {
        if token.starts_with(':') {
            let value = &self.input["ExpressionAttributeValues"][token];
            assert!(!value.is_null(), "`{token}` has no value");
            Some(value.clone())
        } else {
            self.item?.get(name(self.input, token)).cloned()
        }
    }
}

fn compare(left: &Value, right: &Value) -> Ordering {
    let number = |value: &Value| value.get("N").and_then(Value::as_str).and_then(|n| Decimal::from_str(n).ok());
    match (text(left), text(right), number(left), number(right)) {
        (Some(left), Some(right), ..) => left.cmp(right),
        (_, _, Some(left), Some(right)) => left.cmp(&right),
        _ => panic!("{left} and {right} are never compared"),
    }
}
