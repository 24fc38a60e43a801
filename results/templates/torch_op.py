

# ---- the PyTorch operator ----

_registered = []


def register():
    """torch.ops.warpsmith.@{id}, with a kernel for tensors without data ("meta", "fake") and an error
    where a gradient is asked for. Importing this module after torch (2.0 or newer) registers it."""
    if _registered:
        return _registered[0]
    torch = importlib.import_module("torch")
    schema = "@{op_schema}"
    dims = @{op_dims}

    def given_of(args):
        return args[:len(args) - len(dims)], dict(zip(dims, args[len(args) - len(dims):]))

    def run(*args):
        given, extents = given_of(args)
        _forward(given, _dims(*given, **extents), None)

    def call(*args):
        given, extents = given_of(args)
        made = _forward(given, _dims(*given, **extents), None)
        fresh = [t for t, i in zip(made, _OUTPUTS) if TENSORS[i][1] == "out"]
        return fresh[0] if len(fresh) == 1 else tuple(fresh)

    def fake(*args):
        given, extents = given_of(args)
        made = [torch.empty(_stored(dtype, shape), dtype=getattr(torch, _DTYPES[dtype][0]),
                            device=given[0].device)
                for (_, role, dtype), shape in zip(TENSORS, shapes(*_dims(*given, **extents)))
                if role == "out"]
        return made[0] if len(made) == 1 else tuple(made)

    def no_gradient(ctx, *grads):
        raise KernelError("is forward only: it has no gradient")

    body = call if any(role == "out" for _, role, _ in TENSORS) else run
    if hasattr(torch.library, "custom_op"):
        op = torch.library.custom_op("warpsmith::" + SYMBOL, body, mutates_args=@{mutates_tuple},
                                     schema=schema)
        op.register_fake(fake)
        if not @{mutates_tuple}:
            op.register_autograd(no_gradient)
    else:
        _libraries.append(torch.library.Library("warpsmith", "FRAGMENT"))
        _libraries[0].define(SYMBOL + schema)
        _libraries[0].impl(SYMBOL, body, "CUDA")
        _libraries[0].impl(SYMBOL, body, "CPU")
        _libraries[0].impl(SYMBOL, fake, "Meta")
    _registered.append(getattr(torch.ops.warpsmith, SYMBOL))
    return _registered[0]


_libraries = []


def _can_register():
    """Before PyTorch 2.0 one module alone could define operators of a namespace."""
    return "torch" in sys.modules and int(_torch().__version__.split(".")[0]) >= 2


if _can_register():
    register()
