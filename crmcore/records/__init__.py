"""Records: orders and customers, one at a time or in columns, and how a shop's rows become them."""
