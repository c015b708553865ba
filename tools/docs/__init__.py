"""The generated parts of the documentation, one module a subject; tools/generated.py lists them.

What a running federation answers is asked for with the modules that tests share (`support`).
"""
