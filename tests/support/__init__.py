"""What several tests share: one subject a module, imported as `from support.apps import write_app`."""
