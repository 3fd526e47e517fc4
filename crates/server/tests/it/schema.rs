//! A check of responses against the OpenAPI document: as much of JSON Schema as that document uses.

use serde_json::Value;

use crate::support::OPENAPI;

/// Checks `value`. An object must not have members that the schema does not describe, so that no response has
/// more than the document says.
pub(crate) fn check(value: &Value, schema: &Value) -> Result<(), String> {
    if !schema.is_object() {
        return Err("the document has no schema".to_owned());
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return check(value, OPENAPI.pointer(pointer).unwrap())
            .map_err(|wrong| format!("{wrong} in {pointer}"));
    }
    for choices in [&schema["oneOf"], &schema["anyOf"]] {
        if let Some(choices) = choices.as_array() {
            let wrongs: Vec<_> = choices.iter().filter_map(|choice| check(value, choice).err()).collect();
            return if wrongs.len() < choices.len() { Ok(()) } else { Err(wrongs.join(" or ")) };
        }
    }
    check_type(value, &schema["type"])?;
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        return Err(format!("{value} is none of {}", schema["enum"]));
    }
    if let Some(elements) = value.as_array() {
        elements.iter().try_for_each(|element| check(element, &schema["items"]))?;
    }
    match value.as_object() {
        Some(members) => check_members(members, schema),
        None => Ok(()),
    }
}

fn check_members(members: &serde_json::Map<String, Value>, schema: &Value) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            return Err(format!("{name} is missing"));
        }
    }
    let Some(described) = schema["properties"].as_object() else {
        let others = &schema["additionalProperties"];
        return if others.is_object() {
            members.values().try_for_each(|member| check(member, others))
        } else {
            Ok(())
        };
    };
    members.iter().try_for_each(|(name, member)| {
        let schema = described.get(name).ok_or_else(|| format!("{name} is not described"))?;
        check(member, schema).map_err(|wrong| format!("{wrong} in {name}"))
    })
}

fn check_type(value: &Value, types: &Value) -> Result<(), String> {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if !number.is_f64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = match types {
        Value::Null => true,
        Value::Array(types) => types.iter().any(|kind| kind == name),
        kind => kind == name,
    };
    if fits { Ok(()) } else { Err(format!("{value} is not of type {types}")) }
}
