"""What a declaration may not say although each of its values has its type.

Every rule looks at the whole declaration and yields violations; none of them stops the others.
"""
