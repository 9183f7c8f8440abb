//! The parameters in a JSON body. Each read removes a key; keys that remain are errors.

use serde_json::{Map, Value};

use super::error::ApiError;

/// The parameters that were not read yet.
#[derive(Debug)]
pub(super) struct Parameters(Map<String, Value>);

/// The name and the values of a filter.
pub(super) type Filter = (String, Vec<String>);

/// The names and values of the dimensions of an instance.
pub(super) type Dimensions = Vec<(String, String)>;

impl Parameters {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(parameters)) => Ok(Self(parameters)),
            Ok(_) => Err(ApiError::new("InvalidParameter", "The body must be a JSON object.")),
            Err(error) => {
                Err(ApiError::new("InvalidParameter", format!("The body is not valid JSON: {error}.")))
            }
        }
    }

    /// Reads a non-negative integer. The document specifies integers but its example has strings; both are accepted.
    pub(super) fn number(&mut self, key: &str) -> Result<Option<usize>, ApiError> {
        let number = match self.take(key) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let number = number.ok_or_else(|| ApiError::mistyped(key, "an integer"))?;
        let negative =
            |_| ApiError::new("InvalidParameterValue", format!("The parameter `{key}` is negative."));
        usize::try_from(number).map(Some).map_err(negative)
    }

    /// Reads an optional string.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::mistyped(key, "a string")),
        }
    }

    /// Reads a required string that is not empty.
    pub(super) fn required_text(&mut self, key: &str) -> Result<String, ApiError> {
        self.text(key)?.filter(|text| !text.is_empty()).ok_or_else(|| ApiError::missing(key))
    }

    /// Reads an optional list of strings.
    pub(super) fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, ApiError> {
        self.take(key).map(|value| texts(key, value)).transpose()
    }

    /// Reads an optional list of filters.
    pub(super) fn filters(&mut self, key: &str) -> Result<Option<Vec<Filter>>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(filters)) => {
                filters.into_iter().map(|value| filter(key, value)).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(ApiError::mistyped(key, "a list of objects")),
        }
    }

    /// Reads an optional list of instances, each with its dimensions.
    pub(super) fn instances(&mut self, key: &str) -> Result<Option<Vec<Dimensions>>, ApiError> {
        let Some(instances) = self.take(key) else { return Ok(None) };
        let instances = objects(key, instances)?.into_iter().map(|mut instance| {
            let key = format!("{key}.Dimensions");
            let dimensions = instance.take("Dimensions").ok_or_else(|| ApiError::missing(&key))?;
            instance.finish()?;
            objects(&key, dimensions)?.into_iter().map(dimension).collect()
        });
        instances.collect::<Result<_, _>>().map(Some)
    }

    /// Refuses parameters that were not read.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => {
                Err(ApiError::new("UnknownParameter", format!("The parameter `{key}` is not recognized.")))
            }
        }
    }

    /// Removes a value; null counts as missing.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key).filter(|value| !value.is_null())
    }
}

fn texts(key: &str, value: Value) -> Result<Vec<String>, ApiError> {
    serde_json::from_value(value).map_err(|_| ApiError::mistyped(key, "a list of strings"))
}

fn objects(key: &str, value: Value) -> Result<Vec<Parameters>, ApiError> {
    let objects: Result<Vec<Map<_, _>>, _> = serde_json::from_value(value);
    let objects = objects.map_err(|_| ApiError::mistyped(key, "a list of objects"))?;
    Ok(objects.into_iter().map(Parameters).collect())
}

fn dimension(mut dimension: Parameters) -> Result<(String, String), ApiError> {
    let read = (dimension.required_text("Name")?, dimension.required_text("Value")?);
    dimension.finish()?;
    Ok(read)
}

fn filter(key: &str, value: Value) -> Result<Filter, ApiError> {
    let Value::Object(mut fields) = value else {
        return Err(ApiError::mistyped(key, "a list of objects"));
    };
    let name = match fields.remove("Name") {
        Some(Value::String(name)) => name,
        Some(_) => return Err(ApiError::mistyped("Filters.Name", "a string")),
        None => return Err(ApiError::missing("Filters.Name")),
    };
    let values = fields.remove("Values").ok_or_else(|| ApiError::missing("Filters.Values"))?;
    let values = texts("Filters.Values", values)?;
    match fields.keys().next() {
        None => Ok((name, values)),
        Some(other) => Err(ApiError::new(
            "UnknownParameter",
            format!("The parameter `Filters.{other}` is not recognized."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(body: &str) -> Parameters {
        Parameters::parse(body.as_bytes()).expect("a JSON object")
    }

    #[test]
    fn numbers_may_be_integers_or_texts() {
        let read = |value: &str| {
            let mut parameters = parameters(&format!(r#"{{"Limit": {value}}}"#));
            parameters.number("Limit").map_err(|error| error.code.into_owned())
        };
        assert_eq!((read("5"), read("\"5\""), read("null")), (Ok(Some(5)), Ok(Some(5)), Ok(None)));
        for bad in ["\"\"", "\"five\"", "5.5", "[5]", "true"] {
            assert_eq!(read(bad), Err("InvalidParameter".to_owned()), "{bad}");
        }
        assert_eq!(read("-1"), Err("InvalidParameterValue".to_owned()));
    }

    #[test]
    fn body_is_an_object_of_known_keys() {
        for bad in ["", "[]", "5", "{", "<html>"] {
            assert_eq!(Parameters::parse(bad.as_bytes()).expect_err(bad).code, "InvalidParameter");
        }
        let error = parameters(r#"{"Limits": 5}"#).finish().expect_err("an unknown key");
        assert_eq!(error.code, "UnknownParameter");
        assert!(error.message.contains("`Limits`"), "{}", error.message);
    }

    #[test]
    fn a_filter_has_a_name_and_values() {
        let read = |filters: &str| {
            let mut parameters = parameters(&format!(r#"{{"Filters": {filters}}}"#));
            parameters.filters("Filters").map_err(|error| error.code.into_owned())
        };
        let vpc = ("vpc-id".to_owned(), vec!["vpc-0a36uwkr".to_owned()]);
        assert_eq!(read(r#"[{"Name": "vpc-id", "Values": ["vpc-0a36uwkr"]}]"#), Ok(Some(vec![vpc])));
        let table = [
            (r#"{"Name": "vpc-id"}"#, "InvalidParameter"),
            (r#"["vpc-id"]"#, "InvalidParameter"),
            (r#"[{"Name": 5, "Values": []}]"#, "InvalidParameter"),
            (r#"[{"Name": "vpc-id", "Values": "x"}]"#, "InvalidParameter"),
            (r#"[{"Name": "vpc-id"}]"#, "MissingParameter"),
            (r#"[{"Values": ["x"]}]"#, "MissingParameter"),
            (r#"[{"Name": "vpc-id", "Values": ["x"], "Value": "x"}]"#, "UnknownParameter"),
        ];
        for (filters, code) in table {
            assert_eq!(read(filters), Err(code.to_owned()), "{filters}");
        }
    }
}
