//! Changes that a test makes to the fields of one row.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::Value;

/// Row fields with a changed value; `None` removes the field.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<String, Option<Value>>);

impl Changes {
    /// Sets a field, or removes it.
    pub(super) fn set(&mut self, field: &str, value: Option<Value>) {
        self.0.insert(field.to_owned(), value);
    }

    /// Undoes the change of a field.
    pub(super) fn undo(&mut self, field: &str) {
        self.0.remove(field);
    }

    /// Undoes every change.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The new value of a changed field.
    pub(super) fn value(&self, field: &str) -> Option<&Value> {
        self.0.get(field)?.as_ref()
    }

    /// The text of a field, as the row shows it. `unchanged` is the text without changes.
    pub(super) fn text<'a>(&'a self, field: &str, unchanged: Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
        match self.0.get(field) {
            Some(change) => change.as_ref()?.as_str().map(Cow::Borrowed),
            None => unchanged,
        }
    }

    /// Serializes a row with the changes.
    pub(super) fn serialize<S: Serializer>(
        &self,
        row: &impl Serialize,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            return row.serialize(serializer);
        }
        let mut row = serde_json::to_value(row).map_err(S::Error::custom)?;
        let fields = row.as_object_mut().expect("a row is an object");
        for (field, change) in &self.0 {
            match change {
                Some(value) => fields.insert(field.clone(), value.clone()),
                None => fields.remove(field),
            };
        }
        row.serialize(serializer)
    }
}
