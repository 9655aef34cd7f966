import io

import django
from django.conf import settings

from check import DATABASE, HOST, PASSWORD, PORT, USER, check, hidden, run

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": DATABASE,
            "USER": USER,
            "PASSWORD": PASSWORD,
            "HOST": HOST,
            "PORT": PORT,
            "OPTIONS": {"sslmode": "require"},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    SECRET_KEY="only for this",
)
django.setup()

from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402


@check
def starts_up(_):
    call_command("check", databases=["default"])
    call_command("migrate", verbosity=0, interactive=False)
    call_command("migrate", verbosity=0, interactive=False)
    out = io.StringIO()
    call_command("showmigrations", stdout=out)
    assert "[ ]" not in out.getvalue(), out.getvalue()


@check
def works(_):
    User.objects.all().delete()
    Group.objects.all().delete()
    ann = User.objects.create_user("ann", "ann@corp.test", "pw")
    crew = Group.objects.create(name="crew")
    ann.groups.add(crew)
    crew.permissions.set(Permission.objects.all()[:3])
    assert User.objects.filter(groups__name="crew").select_related().get() == ann
    assert User.objects.filter(username__icontains="NN").update(first_name="Ann") == 1
    Group.objects.bulk_create(Group(name=f"g{n}") for n in range(50))
    assert len(list(Group.objects.order_by("name").iterator(chunk_size=10))) == 51
    assert User.objects.in_bulk([ann.pk])[ann.pk].first_name == "Ann"


@check
def transactions(_):
    before = Group.objects.count()
    try:
        with transaction.atomic():
            Group.objects.create(name="gone")
            with transaction.atomic():
                Group.objects.create(name="too")
            raise KeyError
    except KeyError:
        pass
    with transaction.atomic():
        assert Group.objects.select_for_update().filter(name="crew").count() == 1
    assert Group.objects.count() == before


@check
def inspects(_):
    out = io.StringIO()
    call_command("inspectdb", "people", "contacts", include_views=True, stdout=out)
    assert "class People" in out.getvalue() and "unable to inspect" not in out.getvalue().lower(), out.getvalue()


@check
def is_masked(_):
    with connection.cursor() as cursor:
        cursor.execute("select name, email, card from people where id < %s", [10])
        hidden(cursor.fetchall())


run(f"Django {django.__version__}", lambda: None)
