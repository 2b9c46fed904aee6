"""The typed form: a tree bound to the types of its fields, all literals converted."""
