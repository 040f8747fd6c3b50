//! What random scenarios have found, each in its smallest form.
